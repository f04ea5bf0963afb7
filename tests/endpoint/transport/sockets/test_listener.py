from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aioquic.quic.retry import QuicRetryTokenHandler
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.paths.address_tokens import AddressTokens
from quicmatrix.endpoint.transport.sockets.listener import RETRY_MARK, Listener, Origin
from quicmatrix.endpoint.transport.sockets.udp import Address
from tests.support.quic_pair import CLIENT_ADDRESS, SERVER_ADDRESS, Idle, client_configuration
from tests.support.quic_pair import server_configuration as configuration

V2 = 0x6B3343CF
Make = Callable[..., tuple[Listener, list[bytes], list[Origin]]]


def listener(
    certs: Path, retry: QuicRetryTokenHandler | None = None
) -> tuple[Listener, list[bytes], list[Origin]]:
    """A listener, what it sends, and what it was asked to accept."""
    settings = configuration(certs)
    sent: list[bytes] = []
    accepted: list[Origin] = []

    def accept(origin: Origin) -> tuple[Connection, Idle]:
        accepted.append(origin)
        connection = Connection(
            configuration=settings,
            original_destination_connection_id=origin.original_destination,
            retry_source_connection_id=origin.retry_source,
        )
        return connection, Idle()

    def send(datagrams: Sequence[tuple[bytes, Address]], _: int) -> None:
        sent.extend(datagram for datagram, _ in datagrams)

    return Listener(settings, accept, send, retry), sent, accepted


def first_flight(certs: Path, token: bytes = b"") -> tuple[Connection, bytes]:
    client = Connection(configuration=client_configuration(certs, token=token))
    client.connect(SERVER_ADDRESS, now=0.0)
    ((datagram, _),) = client.datagrams_to_send(now=0.0)
    return client, datagram


def receive(target: Listener, *datagrams: bytes) -> None:
    async def story() -> None:
        for datagram in datagrams:
            target.received(datagram, CLIENT_ADDRESS)
        target.drained()
        target.close(0)

    asyncio.run(story())


def probe(size: int = 1200, version: int = 0x57414954, cids: bytes = b"\x02ab\x03cde") -> bytes:
    return (b"\xc0" + version.to_bytes(4, "big") + cids).ljust(size, b"\xff")


def test_an_unknown_version_is_negotiated_whatever_follows_the_invariants(certs: Path) -> None:
    target, sent, accepted = listener(certs)
    receive(target, probe(), probe(version=V2))
    assert not accepted
    assert len(sent) == 2
    for answer in sent:
        assert answer[0] & 0x80
        assert answer[1:] == bytes(4) + b"\x03cde\x02ab" + (1).to_bytes(4, "big")


@pytest.mark.parametrize(
    "datagram",
    [
        probe(1199),
        probe(version=0),
        probe(version=1),
        b"\x40" + bytes(20),
        b"",
        b"\xc0",
        bytes(1200),
    ],
)
def test_what_is_for_nobody_is_not_answered(certs: Path, datagram: bytes) -> None:
    target, sent, _ = listener(certs)
    receive(target, datagram)
    assert not sent


def test_a_packet_of_a_forgotten_connection_is_answered_with_a_smaller_reset(certs: Path) -> None:
    target, sent, _ = listener(certs)
    receive(target, b"\x40" + b"eightcid" + bytes(1191), b"\x40" + b"eightcid" + bytes(20))
    assert [len(reset) for reset in sent] == [43, 28]
    assert {reset[0] & 0xC0 for reset in sent} == {0x40}, "it looks like a short header"
    assert len({reset[-16:] for reset in sent}) == 1, "the token is the connection ID's"


def test_a_clients_stateless_reset_ends_its_connection(certs: Path) -> None:
    async def story() -> None:
        settings = configuration(certs)
        now = asyncio.get_running_loop().time
        client, connections = Connection(configuration=client_configuration(certs)), []
        sent: list[bytes] = []

        def accept(origin: Origin) -> tuple[Connection, Idle]:
            connections.append(
                Connection(
                    configuration=settings,
                    original_destination_connection_id=origin.original_destination,
                )
            )
            return connections[0], Idle()

        def exchange() -> bytes:
            """All that is to be sent; the last datagram of the server."""
            last = b""
            while datagrams := client.datagrams_to_send(now=now()):
                for datagram, _ in datagrams:
                    target.received(datagram, CLIENT_ADDRESS)
                target.drained()
                for datagram in sent:
                    client.receive_datagram(datagram, SERVER_ADDRESS, now=now())
                last = sent[-1] if sent else last
                sent.clear()
            return last

        target = Listener(
            settings, accept, lambda datagrams, _: sent.extend(data for data, _ in datagrams)
        )
        client.connect(SERVER_ADDRESS, now=now())
        exchange()
        assert client.is_confirmed
        client.replace_connection_ids()
        client.send_ping(uid=0)
        last = exchange()
        (token,) = (
            issued.stateless_reset_token
            for issued in client._host_cids
            if last[1:].startswith(issued.cid)
        )
        for forged in (bytes(16), token):
            target.received(b"\x41" + bytes(26) + forged, CLIENT_ADDRESS)
            target.drained()
            assert connections[0].is_ending is (forged == token)
        target.close(0)

    asyncio.run(story())


def test_a_client_is_accepted_once(certs: Path) -> None:
    target, sent, accepted = listener(certs)
    client, datagram = first_flight(certs)
    receive(target, datagram, datagram)
    original = client.original_destination_connection_id
    assert accepted == [Origin(original, None)]
    assert sent


def test_a_first_connection_id_of_less_than_8_bytes_is_not_taken(certs: Path) -> None:
    target, sent, accepted = listener(certs)
    client = Connection(configuration=client_configuration(certs))
    client._peer_cid.cid = b"7 bytes"
    client.connect(SERVER_ADDRESS, now=0.0)
    ((datagram, _),) = client.datagrams_to_send(now=0.0)
    receive(target, datagram)
    assert not accepted
    assert not sent


def test_a_corrupted_first_datagram_leaves_nothing(certs: Path) -> None:
    target, sent, accepted = listener(certs)
    _, datagram = first_flight(certs)
    corrupted = datagram[:100] + bytes([datagram[100] ^ 1]) + datagram[101:]
    receive(target, corrupted)
    assert len(accepted) == 1
    assert not target._drivers
    assert not sent


def test_a_client_must_come_back_with_the_token(certs: Path) -> None:
    async def story() -> None:
        target, sent, accepted = listener(certs, QuicRetryTokenHandler())
        client, datagram = first_flight(certs)
        original = client.original_destination_connection_id
        target.received(datagram, CLIENT_ADDRESS)
        (retry,) = sent
        assert not accepted
        client.receive_datagram(retry, SERVER_ADDRESS, now=0.1)
        ((again, _),) = client.datagrams_to_send(now=0.1)
        target.received(again, ("193.167.0.100", 50001))
        assert not accepted, "the token is another address's"
        assert sent[-1][0] & 0xF0 == 0xC0, "an Initial with INVALID_TOKEN"
        target.received(again, CLIENT_ADDRESS)
        target.drained()
        (origin,) = accepted
        assert origin.original_destination == original
        assert origin.retry_source is not None
        target.close(0)

    asyncio.run(story())


def test_a_token_that_is_no_retrys_is_as_good_as_none(certs: Path) -> None:
    """RFC 9000, 8.1.3: of a server that ran before, of another address or version, or garbage."""

    async def story() -> None:
        target, sent, accepted = listener(certs, QuicRetryTokenHandler())
        now = asyncio.get_running_loop().time()
        for token in (
            AddressTokens().make(CLIENT_ADDRESS[0], now, 1),
            target._tokens.make("192.0.2.9", now, 1),
            target._tokens.make(CLIENT_ADDRESS[0], now, V2),
            b"garbage",
            b"",
        ):
            _, datagram = first_flight(certs, token=token)
            target.received(datagram, CLIENT_ADDRESS)
            assert sent.pop()[0] & 0xF0 == 0xF0, "a Retry"
        assert not accepted
        _, datagram = first_flight(certs, token=target._tokens.make(CLIENT_ADDRESS[0], now, 1))
        target.received(datagram, CLIENT_ADDRESS)
        assert [origin.is_validated for origin in accepted] == [True]
        target.drained()
        target.close(0)

    asyncio.run(story())


@pytest.mark.parametrize("damage", [b"", b"x" * 11, b"x" * 40])
def test_what_can_only_be_a_retrys_token_has_to_be_right(certs: Path, damage: bytes) -> None:
    """RFC 9000, 8.1.2: the client would not take another Retry, and is told at once."""
    target, sent, accepted = listener(certs, QuicRetryTokenHandler())
    _, datagram = first_flight(certs, token=RETRY_MARK + damage)
    receive(target, datagram)
    assert not accepted
    assert [data[0] & 0xF0 for data in sent] == [0xC0], "an Initial with INVALID_TOKEN"


@pytest.mark.parametrize("size", [20, 21, 255])
def test_an_unknown_version_may_have_longer_connection_ids(certs: Path, size: int) -> None:
    """RFC 8999, 4 and 5: and whatever first bits it likes."""
    destination, source = b"d" * size, b"s" * size
    ids = bytes([size]) + destination + bytes([size]) + source
    for first in (0x80, 0xC0, 0xFF):
        target, sent, _ = listener(certs)
        receive(target, bytes([first]) + probe(cids=ids)[1:])
        (answer,) = sent
        swapped = bytes([size]) + source + bytes([size]) + destination
        assert answer[1:] == bytes(4) + swapped + (1).to_bytes(4, "big")


def test_two_packets_of_unknown_version_in_a_datagram_get_one_answer(certs: Path) -> None:
    target, sent, _ = listener(certs)
    receive(target, probe(100) + probe(1100))
    assert len(sent) == 1


def test_version_1_has_no_connection_ids_above_20_bytes(certs: Path) -> None:
    for ids in (b"\x15" + bytes(21) + b"\0", b"\x08" + bytes(8) + b"\x15" + bytes(21)):
        target, sent, accepted = listener(certs)
        receive(target, probe(version=1, cids=ids + b"\0\x44\0"))
        assert not sent
        assert not accepted


def test_an_initial_without_the_quic_bit_needs_a_token(certs: Path) -> None:
    """RFC 9287, 3.1: nobody else can know that we take it."""
    for token, count in ((b"", 0), (b"any", 1)):
        target, _, accepted = listener(certs)
        _, datagram = first_flight(certs, token=token)
        receive(target, bytes([datagram[0] & ~0x40]) + datagram[1:])
        assert len(accepted) == count


def test_long_headers_of_an_unknown_connection_are_dropped(certs: Path) -> None:
    target, sent, accepted = listener(certs)
    _, datagram = first_flight(certs)
    for packet_type in (0xD0, 0xE0, 0xF0):
        receive(target, bytes([packet_type]) + datagram[1:])
    assert not sent
    assert not accepted


@given(head=st.binary(max_size=40))
def test_a_datagram_is_answered_at_most_once_and_with_no_more_bytes(
    certs: Path, head: bytes
) -> None:
    """RFC 9000, 6.1 and 10.3.3."""
    for datagram in (head, head.ljust(1200, b"\0"), b"\xc0" + head.ljust(1200, b"\0")):
        target, sent, _ = listener(certs)
        receive(target, datagram)
        assert len(sent) <= 1
        assert sum(map(len, sent)) <= len(datagram)
