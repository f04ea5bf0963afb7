"""What cases of TLS, transport parameters, 0-RTT and versions make of small exchanges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    Ack,
    ClientHello,
    ConnectionClose,
    EncryptedExtensions,
    HandshakeDone,
    Ping,
    ServerHello,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.model import Observation
from tests.support.exchanges import exchange, status_of
from tests.support.story import Leg, client, client_2, server, server_2

HELD, VIOLATED, UNEXERCISED = Status.HELD, Status.VIOLATED, Status.NOT_EXERCISED
CHACHA, CCM_8 = 0x1303, 0x1305


def ack(number: int) -> Ack:
    return Ack(number, 0, ((number, number),))


def extensions(**limits: int) -> EncryptedExtensions:
    """EncryptedExtensions with these transport parameters."""
    announced = replace(TransportParameters(), **limits)  # type: ignore[arg-type]
    return EncryptedExtensions(transport_parameters=announced)


def stream(length: int, offset: int = 0) -> Stream:
    return Stream(0, offset, length, fin=True)


HELLO = client.initial(ClientHello((CHACHA,)))
OFFER = client_2.initial(ClientHello((CHACHA,), offers_psk=True))
EARLY = client_2.zero_rtt(stream(20))
PROBE, PROBED = client_2.one_rtt(Ping(), number=9), server_2.one_rtt(ack(9))
SHAKEN = server.one_rtt(HandshakeDone())


def given(**limits: int) -> Leg:
    return server.handshake(extensions(**limits))


def accepted(**limits: int) -> Leg:
    return server_2.handshake(replace(extensions(**limits), accepts_early_data=True))


def limits(*legs: Leg) -> Observation:
    return exchange(*legs, stimuli=(2,))


def rejected(*legs: Leg) -> Observation:
    """A client with 0-RTT that a tester rejects, and the tester's higher limit in the end."""
    flight = server_2.handshake(extensions(initial_max_data=5))
    return exchange(
        EARLY, flight, *legs, stimuli=(2,), other_steps={"raised": 4}, tester=Side.SERVER
    )


def upgraded(version: int) -> Observation:
    """A client that uses version 2 first, and then offers the ticket."""
    return exchange(
        client.handshake(version=VERSION_2),
        server_2.initial(ServerHello(CHACHA)),
        client_2.initial(ClientHello((CHACHA,), offers_psk=True), version=version),
        stimuli=(2,),
        tester=Side.SERVER,
    )


RAISED = server_2.one_rtt(Ping())
KEEPS, OBEYS = "rfc9000/7.4.1/limits-with-0-rtt", "rfc9000/7.4.1/limits-after-rejected-0-rtt"
IGNORES, AGAIN = "rfc9001/4.6.2/rejected-0-rtt-packet", "rfc9001/4.6.2/streams-after-rejected-0-rtt"
WAITS, DONE = "rfc9001/5.7/1-rtt-packet-before-finished", "rfc9000/13.3/handshake-done"
CCM, TICKET = "rfc9001/5.3/ccm-8", "rfc9369/5/ticket-of-version-1-in-version-2"
OWN, GREASE = "rfc9369/5/own-ticket", "rfc9287/3/grease-quic-bit-with-a-value"

STORIES: tuple[tuple[str, str, Status, Observation], ...] = (
    (
        KEEPS,
        "the same",
        HELD,
        limits(given(initial_max_data=9), OFFER, accepted(initial_max_data=9)),
    ),
    (KEEPS, "less data", VIOLATED, limits(given(initial_max_data=9), OFFER, accepted())),
    (
        KEEPS,
        "the default limit of connection IDs",
        VIOLATED,
        limits(given(active_connection_id_limit=3), OFFER, accepted()),
    ),
    (
        KEEPS,
        "smaller DATAGRAM frames",
        VIOLATED,
        limits(given(max_datagram_frame_size=9), OFFER, accepted(max_datagram_frame_size=8)),
    ),
    (
        KEEPS,
        "rejected",
        UNEXERCISED,
        limits(given(initial_max_data=9), OFFER, server_2.handshake(extensions())),
    ),
    (OBEYS, "it waits", HELD, rejected(client_2.one_rtt(), RAISED, client_2.one_rtt(stream(20)))),
    (OBEYS, "within it", HELD, rejected(client_2.one_rtt(stream(5)), RAISED)),
    (OBEYS, "too much", VIOLATED, rejected(client_2.one_rtt(stream(6)), RAISED)),
    (OBEYS, "nothing", UNEXERCISED, rejected(client_2.one_rtt(), RAISED)),
    (IGNORES, "not acknowledged", HELD, exchange(EARLY, PROBE, PROBED, probes=(2,))),
    (IGNORES, "acknowledged", VIOLATED, exchange(EARLY, server_2.one_rtt(ack(0)))),
    (IGNORES, "accepted", UNEXERCISED, exchange(EARLY, accepted())),
    (IGNORES, "no handshake", UNEXERCISED, exchange(EARLY)),
    (AGAIN, "again", HELD, rejected(client_2.one_rtt(stream(5)))),
    (AGAIN, "the rest alone", VIOLATED, rejected(client_2.one_rtt(stream(5, offset=20)))),
    (
        AGAIN,
        "no 0-RTT",
        UNEXERCISED,
        exchange(server_2.handshake(extensions()), tester=Side.SERVER),
    ),
    (
        WAITS,
        "after the Finished",
        HELD,
        exchange(
            client.one_rtt(Ping()),
            client.handshake(),
            server.one_rtt(ack(0)),
            client.one_rtt(Ping()),
            server.one_rtt(ack(1)),
            probes=(4,),
            other_steps={"finished": 2},
        ),
    ),
    (
        WAITS,
        "before it",
        VIOLATED,
        exchange(
            client.one_rtt(Ping()),
            server.one_rtt(ack(0)),
            client.handshake(),
            other_steps={"finished": 3},
        ),
    ),
    (WAITS, "no Finished", VIOLATED, exchange(client.one_rtt(Ping()))),
    (DONE, "twice", HELD, exchange(HELLO, SHAKEN, SHAKEN)),
    (DONE, "once", VIOLATED, exchange(HELLO, SHAKEN)),
    (DONE, "never", VIOLATED, exchange(HELLO)),
    (CCM, "refused", HELD, exchange(HELLO, server.initial(ConnectionClose(0x128, 0, "", False)))),
    (CCM, "selected", VIOLATED, exchange(HELLO, server.initial(ServerHello(CCM_8)))),
    (TICKET, "anew", HELD, exchange(OFFER, server_2.initial(ServerHello(CHACHA)))),
    (
        TICKET,
        "resumed",
        VIOLATED,
        exchange(OFFER, server_2.initial(ServerHello(CHACHA, selects_psk=True))),
    ),
    (
        TICKET,
        "resumed before",
        HELD,
        exchange(
            server.initial(ServerHello(CHACHA, selects_psk=True)),
            OFFER,
            server_2.initial(ServerHello(CHACHA)),
            stimuli=(2,),
        ),
    ),
    (OWN, "its version", HELD, upgraded(VERSION_2)),
    (OWN, "another version", VIOLATED, upgraded(VERSION_1)),
    (OWN, "no ticket", UNEXERCISED, exchange(server.handshake(), HELLO, tester=Side.SERVER)),
    (GREASE, "refused early", HELD, exchange(HELLO)),
    (
        GREASE,
        "announced, and goes on",
        VIOLATED,
        exchange(
            HELLO,
            given(grease_quic_bit=True),
            client.one_rtt(Ping()),
            SHAKEN,
            server.one_rtt(ack(0)),
            probes=(3,),
        ),
    ),
    (
        GREASE,
        "not announced",
        UNEXERCISED,
        exchange(HELLO, given(), client.one_rtt(Ping()), server.one_rtt(ack(0)), probes=(3,)),
    ),
)


@pytest.mark.parametrize(
    ("case", "status", "seen"),
    [pytest.param(case, status, seen, id=f"{case}-{what}") for case, what, status, seen in STORIES],
)
def test_what_a_case_makes_of_an_exchange(case: str, status: Status, seen: Observation) -> None:
    assert status_of(case, seen) is status


def test_the_rows_of_the_handshake_are_covered() -> None:
    covered = {row for one in cases() for row in one.rows}
    numbers = set(range(1, 50)) - {33, 34, 35, 37, 38, 41, 42}
    assert {f"P-{number:02}" for number in numbers} <= covered
    assert {"S-41", "S-42", "P-33"} <= covered
