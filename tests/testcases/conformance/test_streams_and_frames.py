"""What cases of streams, frames, connection IDs and acknowledgments make of small exchanges."""

from __future__ import annotations

import pytest

from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    Ack,
    ClientHello,
    ConnectionClose,
    Ecn,
    EcnCounts,
    EncryptedExtensions,
    MaxData,
    MaxStreams,
    NewConnectionId,
    PathChallenge,
    PathResponse,
    Ping,
    ResetStream,
    RetireConnectionId,
    Side,
    StopSending,
    Stream,
    StreamsBlocked,
    TransportParameters,
    UnknownFrame,
)
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.conformance.not_taken import NOT_TAKEN
from quicmatrix.testcases.model import Observation
from tests.support.exchanges import exchange, status_of
from tests.support.story import Leg, client, server

HELD, VIOLATED, UNEXERCISED = Status.HELD, Status.VIOLATED, Status.NOT_EXERCISED
NO_ERROR, VIOLATION = 0x00, 0x0A


def ack(*numbers: int, ecn: EcnCounts | None = None) -> Ack:
    """An ACK frame of these numbers, each in a range of its own."""
    ranges = tuple((number, number) for number in sorted(numbers, reverse=True))
    return Ack(max(numbers), 0, ranges, ecn)


def close(code: int = VIOLATION, *, application: bool = False) -> Leg:
    """The server closes."""
    frame = ConnectionClose(code, None if application else 0, "", application)
    return server.one_rtt(frame)


def stream(stream_id: int, offset: int = 0, length: int = 10, *, fin: bool = False) -> Stream:
    return Stream(stream_id, offset, length, fin)


PING = client.one_rtt(Ping())
GREETING = client.initial(
    ClientHello(
        (0x1301,),
        transport_parameters=TransportParameters(
            initial_max_data=300, initial_max_stream_data_bidi_local=200
        ),
    )
)
EXTENSIONS = server.handshake(
    EncryptedExtensions(transport_parameters=TransportParameters(max_ack_delay=25))
)
CHALLENGE = client.one_rtt(PathChallenge(b"12345678"))
RESPONSE = server.one_rtt(PathResponse(b"12345678"))
STOP = client.one_rtt(StopSending(0, 0x1234))
ISSUE = client.one_rtt(NewConnectionId(2, 2, b"new", bytes(16)))
RETIRE = server.one_rtt(RetireConnectionId(0), RetireConnectionId(1))
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
        "rfc9000/5.1.2/retire-prior-to",
        "both retired",
        HELD,
        exchange(ISSUE, RETIRE, PING, server.one_rtt(ack(1), dcid=b"new"), probes=(3,)),
    ),
    (
        "rfc9000/5.1.2/retire-prior-to",
        "one retired",
        VIOLATED,
        exchange(ISSUE, server.one_rtt(RetireConnectionId(0))),
    ),
    (
        "rfc9000/5.1.2/retire-prior-to",
        "the old one used",
        VIOLATED,
        exchange(ISSUE, RETIRE, PING, server.one_rtt(ack(1)), probes=(3,)),
    ),
    (
        "rfc9000/19.15/late-connection-id",
        "retired",
        HELD,
        exchange(ISSUE, server.one_rtt(RetireConnectionId(2))),
    ),
    ("rfc9000/19.15/late-connection-id", "kept", VIOLATED, exchange(ISSUE, RETIRE)),
    (
        "rfc9000/5.1.1/retired-connection-id-is-replaced",
        "replaced",
        HELD,
        exchange(
            client.one_rtt(RetireConnectionId(1)),
            server.one_rtt(NewConnectionId(4, 0, b"4", bytes(16))),
        ),
    ),
    (
        "rfc9000/5.1.1/retired-connection-id-is-replaced",
        "not replaced",
        VIOLATED,
        exchange(
            server.one_rtt(NewConnectionId(4, 0, b"4", bytes(16))),
            client.one_rtt(RetireConnectionId(1)),
            stimuli=(2,),
        ),
    ),
    (
        "rfc9000/5.1.1/issued-connection-ids-are-accepted",
        "both",
        HELD,
        exchange(PING, PING, server.one_rtt(ack(0, 1)), stimuli=(1, 2)),
    ),
    (
        "rfc9000/5.1.1/issued-connection-ids-are-accepted",
        "one of two",
        VIOLATED,
        exchange(PING, PING, server.one_rtt(ack(1)), stimuli=(1, 2)),
    ),
    (
        "rfc9000/4.1/data-within-limits",
        "up to both limits",
        HELD,
        exchange(
            GREETING,
            server.one_rtt(stream(0, 0, 200)),
            server.one_rtt(stream(4, 0, 100)),
            client.one_rtt(MaxData(400)),
            server.one_rtt(stream(4, 100, 100)),
        ),
    ),
    (
        "rfc9000/4.1/data-within-limits",
        "beyond the stream's",
        VIOLATED,
        exchange(GREETING, server.one_rtt(stream(0, 200, 1))),
    ),
    (
        "rfc9000/4.1/data-within-limits",
        "beyond the connection's",
        VIOLATED,
        exchange(GREETING, server.one_rtt(stream(0, 0, 200)), server.one_rtt(stream(4, 0, 101))),
    ),
    (
        "rfc9000/4.1/lower-limits",
        "a file",
        HELD,
        exchange(
            PING,
            PING,
            server.one_rtt(ack(0, 1)),
            server.one_rtt(stream(0, fin=True)),
            probes=(2,),
        ),
    ),
    (
        "rfc9000/4.1/lower-limits",
        "no file",
        VIOLATED,
        exchange(PING, PING, server.one_rtt(ack(0, 1)), probes=(2,)),
    ),
    (
        "rfc9000/3.5/stop-sending-resets-stream",
        "reset",
        HELD,
        exchange(STOP, server.one_rtt(ResetStream(0, 1, 10))),
    ),
    ("rfc9000/3.5/stop-sending-resets-stream", "nothing", VIOLATED, exchange(STOP)),
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
        exchange(server.one_rtt(stream(0)), tester=Side.SERVER, client=EXITED),
    ),
    (
        "rfc9000/2.2/end-of-known-data",
        "a client that waits",
        VIOLATED,
        exchange(server.one_rtt(stream(0)), tester=Side.SERVER, client=WAITING),
    ),
    (
        "rfc9000/13.2.1/within-max-ack-delay",
        "25 ms",
        HELD,
        exchange(
            EXTENSIONS,
            PING.after(1.0),
            server.one_rtt(ack(0)).after(1.024),
            stimuli=(2,),
        ),
    ),
    (
        "rfc9000/13.2.1/within-max-ack-delay",
        "late once of two",
        HELD,
        exchange(
            EXTENSIONS,
            PING.after(1.0),
            server.one_rtt(ack(0)).after(1.2),
            PING.after(2.0),
            server.one_rtt(ack(1)).after(2.01),
            stimuli=(2, 4),
        ),
    ),
    (
        "rfc9000/13.2.1/within-max-ack-delay",
        "always late",
        VIOLATED,
        exchange(
            EXTENSIONS,
            PING.after(1.0),
            server.one_rtt(ack(0)).after(1.2),
            stimuli=(2,),
        ),
    ),
    (
        "rfc9000/13.2.1/handshake-packet-at-once",
        "delayed",
        VIOLATED,
        exchange(client.handshake(Ping()).after(1.0), server.handshake(ack(0)).after(1.03)),
    ),
    (
        "rfc9000/13.2.1/handshake-packet-at-once",
        "never",
        VIOLATED,
        exchange(client.handshake(Ping())),
    ),
    (
        "rfc9000/13.2.1/no-ack-of-ack",
        "for the PING alone",
        HELD,
        exchange(client.one_rtt(ack(0)), PING, server.one_rtt(ack(1))),
    ),
    (
        "rfc9000/13.2.1/no-ack-of-ack",
        "for the first one too",
        VIOLATED,
        exchange(client.one_rtt(ack(0)), server.one_rtt(ack(0)), PING, server.one_rtt(ack(1))),
    ),
    (
        "rfc9000/13.1/gap-in-packet-numbers",
        "what came",
        HELD,
        exchange(PING, client.one_rtt(Ping(), number=1000), server.one_rtt(ack(0, 1000))),
    ),
    (
        "rfc9000/13.1/gap-in-packet-numbers",
        "the gap too",
        VIOLATED,
        exchange(
            PING,
            client.one_rtt(Ping(), number=1000),
            server.one_rtt(Ack(1000, 0, ((0, 1000),))),
        ),
    ),
    (
        "rfc9000/13.4.1/marks-are-counted",
        "counted",
        HELD,
        exchange(PING.marked(Ecn.CE), server.one_rtt(ack(0, ecn=EcnCounts(0, 0, 1)))),
    ),
    (
        "rfc9000/13.4.1/marks-are-counted",
        "counted twice",
        VIOLATED,
        exchange(PING.marked(Ecn.CE), server.one_rtt(ack(0, ecn=EcnCounts(0, 0, 2)))),
    ),
    (
        "rfc9000/13.4.1/marks-are-counted",
        "not reported",
        UNEXERCISED,
        exchange(PING.marked(Ecn.CE), server.one_rtt(ack(0))),
    ),
    (
        "rfc9000/13.4.2/no-counts",
        "it stops",
        HELD,
        exchange(
            server.one_rtt(Ping()).marked(),
            client.one_rtt(ack(0)),
            PING,
            server.one_rtt(ack(1)),
            stimuli=(2,),
            probes=(3,),
        ),
    ),
    (
        "rfc9000/13.4.2/no-counts",
        "it goes on",
        VIOLATED,
        exchange(
            server.one_rtt(Ping()).marked(),
            client.one_rtt(ack(0)),
            PING,
            server.one_rtt(ack(1)).marked(),
            stimuli=(2,),
            probes=(3,),
        ),
    ),
    (
        "rfc9000/13.4.2/no-counts",
        "it never marked",
        UNEXERCISED,
        exchange(client.one_rtt(ack(0)), PING, server.one_rtt(ack(1)), probes=(2,)),
    ),
    (
        "rfc9001/6.2/update-is-answered",
        "in the same phase",
        HELD,
        exchange(client.one_rtt(Ping(), key_phase=1), server.one_rtt(ack(0), key_phase=1)),
    ),
    (
        "rfc9001/6.2/update-is-answered",
        "with old keys",
        VIOLATED,
        exchange(client.one_rtt(Ping(), key_phase=1), server.one_rtt(ack(0))),
    ),
    (
        "rfc9000/18.2/datagrams-as-large-as-announced",
        "small",
        HELD,
        exchange(GREETING, server.one_rtt(Ping()).sized(1200)),
    ),
    (
        "rfc9000/18.2/datagrams-as-large-as-announced",
        "large",
        VIOLATED,
        exchange(GREETING, server.one_rtt(Ping()).sized(1201)),
    ),
    (
        "rfc9002/6.1/lost-data-is-sent-again",
        "again",
        HELD,
        exchange(PING, server.one_rtt(stream(0)), server.one_rtt(stream(0))),
    ),
    (
        "rfc9002/6.1/lost-data-is-sent-again",
        "once",
        VIOLATED,
        exchange(PING, server.one_rtt(stream(0))),
    ),
)

OF_CLIENTS: tuple[tuple[str, str, Status, Observation], ...] = (
    (
        "rfc9000/4.6/one-stream-allowed",
        "one until more are allowed",
        HELD,
        exchange(
            EXTENSIONS,
            client.one_rtt(stream(0)),
            server.one_rtt(MaxStreams(3, True)),
            client.one_rtt(stream(4)),
            tester=Side.SERVER,
        ),
    ),
    (
        "rfc9000/4.6/one-stream-allowed",
        "two",
        VIOLATED,
        exchange(
            EXTENSIONS, client.one_rtt(stream(0)), client.one_rtt(stream(4)), tester=Side.SERVER
        ),
    ),
    (
        "rfc9000/4.6/no-streams-allowed",
        "one",
        VIOLATED,
        exchange(EXTENSIONS, client.one_rtt(stream(0)), tester=Side.SERVER),
    ),
    (
        "rfc9000/4.6/streams-blocked",
        "said",
        HELD,
        exchange(EXTENSIONS, client.one_rtt(StreamsBlocked(0, True)), tester=Side.SERVER),
    ),
    (
        "rfc9000/4.6/streams-blocked",
        "not said",
        VIOLATED,
        exchange(EXTENSIONS, client.one_rtt(StreamsBlocked(0, False)), tester=Side.SERVER),
    ),
    (
        "rfc9000/4.2/credit-without-blocked-frames",
        "renewed",
        HELD,
        exchange(server.one_rtt(stream(0)), client.one_rtt(MaxData(1000)), tester=Side.SERVER),
    ),
    (
        "rfc9000/4.2/credit-without-blocked-frames",
        "not renewed",
        VIOLATED,
        exchange(server.one_rtt(stream(0)), client.one_rtt(ack(0)), tester=Side.SERVER),
    ),
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


def test_a_row_is_covered_by_a_case_or_has_a_reason() -> None:
    covered = {row for case in cases() for row in case.rows}
    frames = {f"F-{number:02}" for number in range(1, 62)}
    assert frames <= covered | set(NOT_TAKEN)
    assert not covered & set(NOT_TAKEN)
    assert list(NOT_TAKEN) == sorted(NOT_TAKEN)
