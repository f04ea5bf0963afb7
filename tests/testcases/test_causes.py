"""Whom a verdict names first: whoever began it, not who noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.judge.judge import judge
from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.trace.model import (
    CERTIFICATE,
    Ack,
    Address,
    ClientHello,
    ConnectionClose,
    EncryptedExtensions,
    HandshakeDone,
    MaxStreamData,
    NewSessionTicket,
    OtherTlsMessage,
    PathChallenge,
    PathResponse,
    Ping,
    PreferredAddress,
    ServerHello,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.interop import TESTCASES
from quicmatrix.testcases.model import Observation
from tests.support.story import (
    Leg,
    client,
    client_2,
    crypto,
    observation,
    server,
    server_2,
    trace,
    unfinished,
)

CASES = {case.letter: case for case in TESTCASES}
PREFERRED = Address("193.167.100.100", 4443)
LIMITS = TransportParameters(initial_max_data=5000, initial_max_stream_data_bidi_local=3000)
HELLO = client.initial(crypto("hello"), ClientHello((), transport_parameters=LIMITS))
SHAKEN = (HELLO, server.initial(), server.handshake(EncryptedExtensions()), client.handshake())
ASKED = (
    *(*SHAKEN, server.one_rtt(HandshakeDone())),
    client.one_rtt(Stream(0, 0, 20, fin=True)),
    server.one_rtt(Ack(0, 0, ((0, 0),))),
)
ONE, TWO = PathChallenge(b"1" * 8), PathChallenge(b"2" * 8)
REPLY, REPLY_2 = PathResponse(b"1" * 8), PathResponse(b"2" * 8)
ACK = Ack(0, 0, ((0, 0),))
DATA = Stream(0, 0, 1000, fin=False)
LAST = client.one_rtt(Ping()).after(9)
OFFER = server.handshake(
    EncryptedExtensions(
        transport_parameters=TransportParameters(
            has_preferred_address=True,
            preferred_address=PreferredAddress(b"id", bytes(16), (PREFERRED,)),
        )
    )
)


def closes(sender: Leg, code: int) -> Leg:
    return sender.but(frames=(ConnectionClose(code, 0, "", application=False),))


def moved(leg: Leg, port: int = 50001) -> Leg:
    return leg.behind(port, "193.167.0.100")


def late(seen: Observation) -> Observation:
    """The same attempt, whose client did not even end."""
    hung = SideRecord(ending=Ending.OUT_OF_TIME, signal=15)
    return replace(seen, record=replace(seen.record, client=hung))


def second(hello: ClientHello, **selected: bool) -> tuple[Leg, ...]:
    """A second connection."""
    return (
        client_2.initial(hello),
        server_2.initial(ServerHello(0x1301, **selected)),
        server_2.handshake(EncryptedExtensions(), OtherTlsMessage(CERTIFICATE)),
    )


FIRST = (
    client.initial(ClientHello(())),
    server.initial(ServerHello(0x1301)),
    server.handshake(EncryptedExtensions(), OtherTlsMessage(CERTIFICATE)),
)
RESUMED = ClientHello((), offers_psk=True, offers_early_data=True)
STALLED = unfinished(*ASKED, server.one_rtt(DATA).told("#1 dropped: rebound"), LAST)

CAUSES = {
    "a server that gives up in its first packet": (
        "H",
        unfinished(HELLO, closes(server.initial(), 0x01)),
        "the server: it closes with transport error 0x01 (INTERNAL_ERROR)",
    ),
    "a client that refuses what the server does wrong": (
        "H",
        unfinished(
            *(HELLO, server.initial(scid=b"original"), server.initial(crypto("hello"))),
            closes(client.initial(), 0x08),
        ),
        "the server: it is 736572766572, and was 6f726967696e616c before",
    ),
    "a client that offers no session": (
        "R",
        observation(trace(*FIRST, server.one_rtt(NewSessionTicket()), *second(ClientHello(())))),
        "the client: it has no pre_shared_key extension",
    ),
    "a server without a ticket": (
        "R",
        unfinished(*FIRST, server.one_rtt(Ping()), *second(ClientHello(()))),
        "the server: it sends no NewSessionTicket",
    ),
    "a server that permits no early data": (
        "Z",
        observation(
            trace(
                *(*FIRST, server.one_rtt(NewSessionTicket())),
                *second(replace(RESUMED, offers_early_data=False), selects_psk=True),
            )
        ),
        "the server: it sends no NewSessionTicket with the early_data extension",
    ),
    "a client that asks for version 1": (
        "V",
        unfinished(HELLO, server.initial()),
        "the client: it is 0x00000001",
    ),
    "a server that is silent on a new path": (
        "BP",
        unfinished(
            *(*ASKED, moved(client.one_rtt(ACK)), moved(server.one_rtt(ONE))),
            *(moved(client.one_rtt(REPLY)), moved(client.one_rtt(ACK), 50002).after(1), LAST),
        ),
        "the server: it never sends on 193.167.0.100:50002 - 193.167.100.100:443, in 8.0 s",
    ),
    "a server that stays on the old path": (
        "BP",
        unfinished(
            *(*ASKED, moved(client.one_rtt(ACK)), moved(server.one_rtt(ONE))),
            *(moved(client.one_rtt(REPLY)), server.one_rtt(DATA).told("#1 dropped: gone").after(5)),
        ),
        "the server: it goes to 193.167.0.100:50000 - 193.167.100.100:443, 5.0 s after",
    ),
    "a server that forgets what was under way": (
        "DC",
        STALLED,
        "the server: bytes 0 to 999 of stream 0 were never acknowledged",
    ),
    "a client that drops the FIN": (
        "DC",
        unfinished(
            *ASKED,
            server.one_rtt(Stream(0, 0, 1024, fin=True)),
            client.one_rtt(Ack(2, 0, ((0, 2),))),
            closes(client.one_rtt(), 0x0C),
        ),
        "the client: it has acknowledged all bytes and the FIN of 1 answers, and is not done",
    ),
    "a client that raises no limit": (
        "DC",
        unfinished(
            *(*ASKED, client.one_rtt(MaxStreamData(0, 4000))),
            *(server.one_rtt(Stream(0, 0, 4000, fin=False)), client.one_rtt(Ack(2, 0, ((0, 2),)))),
            LAST,
        ),
        "the client: it has acknowledged all bytes up to the limit of stream 0, 4000",
    ),
    "a server that offers no other address": (
        "CM",
        unfinished(*ASKED),
        "the server: it offers no other address",
    ),
    "a client that ignores the other address": (
        "CM",
        unfinished(HELLO, server.initial(), OFFER, client.handshake(), client.one_rtt(DATA)),
        "the client: the connection has one path only: it ignores the offered 193.167.100.100",
    ),
    "0-RTT data that is not accepted": (
        "Z",
        observation(
            trace(
                *(*FIRST, server.one_rtt(NewSessionTicket(0xFFFFFFFF))),
                *(client_2.initial(RESUMED), client_2.zero_rtt(Stream(0, 0, 20, fin=True))),
                server_2.initial(ServerHello(0x1301, selects_psk=True)),
                server_2.handshake(EncryptedExtensions(accepts_early_data=True)),
                *(
                    client_2.one_rtt(Stream(0, 0, 20, fin=True)),
                    server_2.one_rtt(Ack(1, 0, ((1, 1),))),
                ),
            )
        ),
        "0-RTT data was sent, but not accepted",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_first_cause_is_the_reason(name: str) -> None:
    letter, seen, reason = CAUSES[name]
    verdict = judge(seen, CASES[letter])
    assert verdict.reason.startswith(reason)
    assert verdict.outcome is Outcome.FAILED


def test_a_timeout_names_the_cause_too() -> None:
    verdict = judge(late(STALLED), CASES["DC"])
    assert verdict.outcome is Outcome.TIMEOUT
    assert verdict.reason.startswith("the client was not done after 60 s; the server: bytes 0 to 9")


def test_a_rebind_during_the_handshake_is_nobodys_fault() -> None:
    early = unfinished(HELLO, server.initial(), moved(client.handshake()))
    verdict = judge(early, CASES["BP"])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the handshake is not confirmed yet" in verdict.reason


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        (
            (ACK, TWO, REPLY_2),
            "the client: 193.167.100.100:4443 is not validated: there was no PATH_CHALLENGE",
        ),
        (
            (ONE, REPLY, DATA, ACK, TWO, REPLY_2),
            "the server: the client has sent probing packets to 193.167.100.100:4443 only",
        ),
    ],
)
def test_a_migration_out_of_order_is_nonconformant(
    legs: tuple[Ack | PathChallenge | PathResponse | Stream, ...], reason: str
) -> None:
    senders = {ACK: client, ONE: client, REPLY_2: client}
    there = [
        senders.get(frame, server).one_rtt(frame, dcid=f"to {senders.get(frame, server)}".encode())
        for frame in legs
    ]
    seen = trace(
        *(HELLO, server.initial(), OFFER, client.handshake(), client.one_rtt(DATA)),
        *(leg.on(PREFERRED) for leg in there),
    )
    verdict = judge(observation(seen), CASES["CM"])
    assert verdict.reason.startswith(reason)
    assert verdict.outcome is Outcome.NONCONFORMANT
