"""What cases of streams and frames make of small exchanges."""

from __future__ import annotations

import pytest

from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    ClientHello,
    ConnectionClose,
    PacketType,
    PathChallenge,
    PathResponse,
    Ping,
    ResetStream,
    Side,
    StopSending,
    TransportParameters,
    UnknownFrame,
)
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.conformance.not_taken import NOT_TAKEN
from quicmatrix.testcases.model import Observation
from tests.support.exchanges import ack, close, exchange, result_of, status_of, stream
from tests.support.story import client, server

HELD, VIOLATED, UNEXERCISED = Status.HELD, Status.VIOLATED, Status.NOT_EXERCISED
NO_ERROR, VIOLATION = 0x00, 0x0A


PING = client.one_rtt(Ping())
GREETING = client.initial(
    ClientHello(
        (0x1301,),
        transport_parameters=TransportParameters(
            initial_max_data=300, initial_max_stream_data_bidi_local=200
        ),
    )
)
CHALLENGE = client.one_rtt(PathChallenge(b"12345678"))
RESPONSE = server.one_rtt(PathResponse(b"12345678"))
STOP = client.one_rtt(StopSending(0, 0x1234))
CLOSED = client.one_rtt(ConnectionClose(0, 0, "", False))
EXITED = SideRecord(ending=Ending.EXITED, exit_code=1)
WAITING = SideRecord(ending=Ending.OUT_OF_TIME)

STORIES: tuple[tuple[str, str, Status, Observation], ...] = (
    (
        "rfc9000/8.2.2/path-challenge-is-answered",
        "one answer",
        HELD,
        exchange(CHALLENGE, RESPONSE),
    ),
    ("rfc9000/8.2.2/path-challenge-is-answered", "none", VIOLATED, exchange(CHALLENGE)),
    (
        "rfc9000/8.2.2/path-challenge-is-answered",
        "other data",
        VIOLATED,
        exchange(CHALLENGE, server.one_rtt(PathResponse(b"87654321"))),
    ),
    (
        "rfc9000/12.3/duplicate-packet",
        "two answers",
        VIOLATED,
        exchange(CHALLENGE, CHALLENGE, RESPONSE, RESPONSE, stimuli=(1, 2)),
    ),
    (
        "rfc9000/8.2.2/path-response-is-expanded",
        "1,200 bytes",
        HELD,
        exchange(CHALLENGE, RESPONSE.sized(1200)),
    ),
    (
        "rfc9000/8.2.2/path-response-is-expanded",
        "40 bytes",
        VIOLATED,
        exchange(CHALLENGE, RESPONSE.sized(40)),
    ),
    ("rfc9000/10.2.2/draining", "silence", HELD, exchange(CLOSED, PING)),
    ("rfc9000/10.2.2/draining", "its own close", HELD, exchange(CLOSED, PING, close(NO_ERROR))),
    ("rfc9000/10.2.2/draining", "an ACK", VIOLATED, exchange(CLOSED, PING, server.one_rtt(ack(1)))),
    ("rfc9000/10.2.2/draining", "two closes", VIOLATED, exchange(CLOSED, close(), close())),
    (
        "rfc9000/10.2.1/little-is-sent-when-closing",
        "one close again",
        HELD,
        exchange(PING, close(), PING.sized(100), close().sized(100)),
    ),
    (
        "rfc9000/10.2.1/little-is-sent-when-closing",
        "four closes for one packet",
        VIOLATED,
        exchange(PING, close(), PING.sized(100), *[close().sized(100)] * 4),
    ),
    (
        "rfc9000/10.2.1/little-is-sent-when-closing",
        "an ACK",
        VIOLATED,
        exchange(PING, close(), PING, server.one_rtt(ack(1))),
    ),
    (
        "rfc9000/10.2.1/rate-is-limited-when-closing",
        "a close for each packet",
        VIOLATED,
        exchange(PING, close(), *[PING, close()] * 20),
    ),
    (
        "rfc9000/10.2.1/rate-is-limited-when-closing",
        "a few",
        HELD,
        exchange(PING, close(), *[PING] * 20, close(), close()),
    ),
    ("rfc9000/10.1/smaller-idle-timeout", "gone", HELD, exchange(GREETING, PING, probes=(2,))),
    (
        "rfc9000/10.1/smaller-idle-timeout",
        "there",
        VIOLATED,
        exchange(GREETING, PING, server.one_rtt(ack(0)), probes=(2,)),
    ),
    (
        "rfc9000/12.4/application-close-in-handshake-packet",
        "an error",
        HELD,
        exchange(PING, close()),
    ),
    (
        "rfc9000/12.4/application-close-in-handshake-packet",
        "silence: it was taken",
        VIOLATED,
        exchange(PING),
    ),
    (
        "rfc9000/12.4/application-close-in-handshake-packet",
        "closed without an error",
        VIOLATED,
        exchange(PING, close(NO_ERROR)),
    ),
    (
        "rfc9000/17.2.2/application-close-in-initial-packet",
        "discarded",
        HELD,
        exchange(
            client.initial(UnknownFrame(0x1D), number=5),
            PING,
            server.one_rtt(ack(0)),
            probes=(2,),
        ),
    ),
    (
        "rfc9000/3.5/stop-sending-resets-stream",
        "reset",
        HELD,
        exchange(STOP, server.one_rtt(ResetStream(0, 1, 10))),
    ),
    (
        "rfc9000/3.5/stop-sending-resets-stream",
        "nothing, and it goes on",
        VIOLATED,
        exchange(STOP, PING, server.one_rtt(ack(1)), probes=(2,)),
    ),
    (
        "rfc9000/3.5/stop-sending-resets-stream",
        "it ends the connection",
        UNEXERCISED,
        exchange(STOP, close(0x100, application=True)),
    ),
    (
        "rfc9000/3.5/stop-sending-resets-stream",
        "another stream",
        VIOLATED,
        exchange(STOP, server.one_rtt(ResetStream(4, 1, 10))),
    ),
    (
        "rfc9000/3.5/error-code-is-copied",
        "the same",
        HELD,
        exchange(STOP, server.one_rtt(ResetStream(0, 0x1234, 10))),
    ),
    (
        "rfc9000/3.5/error-code-is-copied",
        "another",
        VIOLATED,
        exchange(STOP, server.one_rtt(ResetStream(0, 0, 10))),
    ),
    (
        "rfc9000/3.3/nothing-after-reset",
        "nothing",
        HELD,
        exchange(STOP, server.one_rtt(ResetStream(0, 0, 10)), server.one_rtt(stream(4))),
    ),
    (
        "rfc9000/3.3/nothing-after-reset",
        "data",
        VIOLATED,
        exchange(STOP, server.one_rtt(ResetStream(0, 0, 10)), server.one_rtt(stream(0))),
    ),
    (
        "rfc9000/2.2/out-of-order",
        "answered",
        HELD,
        exchange(client.one_rtt(stream(0)), server.one_rtt(stream(0, fin=True))),
    ),
    (
        "rfc9000/2.2/out-of-order",
        "not answered",
        VIOLATED,
        exchange(client.one_rtt(stream(0)), server.one_rtt(stream(0))),
    ),
    (
        "rfc9000/2.2/end-of-known-data",
        "a client that is done",
        HELD,
        exchange(
            server.one_rtt(stream(0)),
            client.one_rtt(ConnectionClose(NO_ERROR, 0, "", False)),
            server.one_rtt(ConnectionClose(NO_ERROR, 0, "", False)),
            tester=Side.SERVER,
        ),
    ),
    (
        "rfc9000/2.2/end-of-known-data",
        "a client that is gone",
        HELD,
        exchange(server.one_rtt(stream(0)), tester=Side.SERVER, client=EXITED),
    ),
    (
        "rfc9000/2.2/end-of-known-data",
        "a client that ends when the tester does",
        VIOLATED,
        exchange(
            server.one_rtt(stream(0)),
            server.one_rtt(Ping()),
            client.one_rtt(ack(1)),
            server.one_rtt(ConnectionClose(NO_ERROR, 0, "", False)),
            client.one_rtt(ConnectionClose(NO_ERROR, 0, "", False)),
            tester=Side.SERVER,
            probes=(2,),
            client=EXITED,
        ),
    ),
    (
        "rfc9000/2.2/end-of-known-data",
        "a client that waits",
        VIOLATED,
        exchange(server.one_rtt(stream(0)), tester=Side.SERVER, client=WAITING),
    ),
)

OF_CLIENTS: tuple[tuple[str, str, Status, Observation], ...] = (
    (
        "rfc9002/6.2.2.1/client-probes-blocked-server",
        "a probe",
        HELD,
        exchange(server.initial(ack(0)), client.initial(Ping()), tester=Side.SERVER),
    ),
    (
        "rfc9002/6.2.2.1/client-probes-blocked-server",
        "none",
        VIOLATED,
        exchange(server.initial(ack(0)), client.initial(ack(0)), tester=Side.SERVER),
    ),
)


@pytest.mark.parametrize(
    ("case", "title", "status", "seen"),
    STORIES + OF_CLIENTS,
    ids=[f"{case}: {title}" for case, title, _, _ in STORIES + OF_CLIENTS],
)
def test_a_case_judges(case: str, title: str, status: Status, seen: Observation) -> None:
    assert status_of(case, seen) is status, title


@pytest.mark.parametrize(
    ("tester_ends_first", "answer"), [(False, "stateless reset"), (True, "silence")]
)
def test_a_stateless_reset_is_no_answer_once_the_tester_has_ended(
    tester_ends_first: bool, answer: str
) -> None:
    reset = server.one_rtt().but(type=PacketType.STATELESS_RESET)
    end = client.one_rtt(ConnectionClose(NO_ERROR, 0, "", False))
    rest = (end, reset) if tester_ends_first else (reset, end)
    seen = exchange(PING, *rest)
    assert result_of("rfc9000/12.4/no-frames", seen).answer == answer


def test_a_row_is_covered_by_a_case_or_has_a_reason() -> None:
    covered = {row for case in cases() for row in case.rows}
    frames = {f"F-{number:02}" for number in range(1, 62)}
    assert frames <= covered | set(NOT_TAKEN)
    assert not covered & set(NOT_TAKEN)
    assert list(NOT_TAKEN) == sorted(NOT_TAKEN)
