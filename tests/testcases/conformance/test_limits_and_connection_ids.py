"""What cases of limits and connection IDs make of small exchanges."""

from __future__ import annotations

import pytest

from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    MaxData,
    MaxStreams,
    NewConnectionId,
    Ping,
    ResetStream,
    RetireConnectionId,
    Side,
    StreamsBlocked,
    TransportParameters,
)
from quicmatrix.testcases.model import Observation
from tests.support.exchanges import ack, exchange, status_of, stream
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
EXTENSIONS = server.handshake(
    EncryptedExtensions(transport_parameters=TransportParameters(max_ack_delay=25))
)
ANNOUNCED = server.handshake(
    EncryptedExtensions(
        transport_parameters=TransportParameters(
            initial_max_data=60, initial_max_stream_data_bidi_remote=50
        )
    )
)
ISSUE = client.one_rtt(NewConnectionId(2, 2, b"new", bytes(16)))
RETIRE = server.one_rtt(RetireConnectionId(0), RetireConnectionId(1))

STORIES: tuple[tuple[str, str, Status, Observation], ...] = (
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
        "rfc9000/4.1/connection-limit-exceeded",
        "it goes on",
        VIOLATED,
        exchange(
            ANNOUNCED,
            client.one_rtt(stream(0, 0, 50)),
            client.one_rtt(stream(4, 0, 11)),
            PING,
            server.one_rtt(ack(2)),
            stimuli=(3,),
            probes=(4,),
        ),
    ),
    (
        "rfc9000/4.1/connection-limit-exceeded",
        "the limit was raised meanwhile",
        UNEXERCISED,
        exchange(
            ANNOUNCED,
            client.one_rtt(stream(0, 0, 50)),
            server.one_rtt(MaxData(61)),
            client.one_rtt(stream(4, 0, 11)),
            PING,
            server.one_rtt(ack(2)),
            stimuli=(4,),
            probes=(5,),
        ),
    ),
    (
        "rfc9000/4.1/final-size-beyond-stream-limit",
        "it goes on",
        VIOLATED,
        exchange(
            ANNOUNCED,
            client.one_rtt(ResetStream(0, 0, 51)),
            PING,
            server.one_rtt(ack(1)),
            stimuli=(2,),
            probes=(3,),
        ),
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
)


@pytest.mark.parametrize(
    ("case", "title", "status", "seen"),
    STORIES,
    ids=[f"{case}: {title}" for case, title, _, _ in STORIES],
)
def test_a_case_judges(case: str, title: str, status: Status, seen: Observation) -> None:
    assert status_of(case, seen) is status, title
