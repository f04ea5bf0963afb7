from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aioquic.quic.retry import QuicRetryTokenHandler
from certificates import write_certificates
from hypothesis import given
from hypothesis import strategies as st
from quic_pair import CLIENT_ADDRESS, SERVER_ADDRESS, Idle, client_configuration
from quic_pair import server_configuration as configuration

from endpoint.transport.connection import Connection
from endpoint.transport.listener import Listener, Origin
from endpoint.transport.udp import Address

V2 = 0x6B3343CF
Make = Callable[..., tuple[Listener, list[bytes], list[Origin]]]


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificates(tmp_path_factory.mktemp("certs"))


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


def first_flight(certs: Path) -> tuple[Connection, bytes]:
    client = Connection(configuration=client_configuration(certs))
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


@given(data=st.data())
def test_no_datagram_raises(certs: Path, data: st.DataObject) -> None:
    target, _, _ = listener(certs)
    head = data.draw(st.binary(max_size=40))
    receive(target, head, head.ljust(1200, b"\0"), b"\xc0" + head.ljust(1200, b"\0"))
