"""What cases of acknowledgments, ECN, key updates and loss make of small exchanges."""

from __future__ import annotations

import pytest

from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    Ack,
    ClientHello,
    Ecn,
    EcnCounts,
    EncryptedExtensions,
    Ping,
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

STORIES: tuple[tuple[str, str, Status, Observation], ...] = (
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


@pytest.mark.parametrize(
    ("case", "title", "status", "seen"),
    STORIES,
    ids=[f"{case}: {title}" for case, title, _, _ in STORIES],
)
def test_a_case_judges(case: str, title: str, status: Status, seen: Observation) -> None:
    assert status_of(case, seen) is status, title
