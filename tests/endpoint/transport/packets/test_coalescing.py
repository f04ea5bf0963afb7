from __future__ import annotations

from pathlib import Path

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicPacketType
from aioquic.tls import Epoch
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.coalescing import packet_starts
from tests.support.injection import FROM_SERVER, deliver, is_alive, long_packet
from tests.support.quic_pair import (
    SERVER_ADDRESS,
    START,
    Pair,
    client_configuration,
    server_configuration,
)

PING = b"\x01"


@pytest.fixture
def half_open(certs: Path) -> Pair:
    """The server has answered, and nothing of that arrives."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.to_client.drops = lambda *_: True
    pair.connect()
    pair.run_until(lambda: pair._server is not None)
    return pair


class PaddingBehind(Connection):
    """A peer that pads behind its packets, as aioquic does."""

    _write_handshake = QuicConnection._write_handshake


def flight(certs: Path, client_type: type[Connection] = Connection) -> tuple[Connection, bytes]:
    client = client_type(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    ((datagram, _),) = client.datagrams_to_send(now=START)
    return client, datagram


def started(certs: Path, client: Connection, datagram: bytes) -> bool:
    server = Connection(
        configuration=server_configuration(certs),
        original_destination_connection_id=client.original_destination_connection_id,
    )
    server.receive_datagram(datagram, ("192.0.2.1", 1), now=START)
    return server.is_started


def test_the_packets_of_a_datagram_are_found(half_open: Pair) -> None:
    _, (_, datagram) = half_open.to_server.sent[0], half_open.to_client.sent[0]
    found = packet_starts(datagram, 8)
    assert [header.packet_type for _, header in found][:2] == [
        QuicPacketType.INITIAL,
        QuicPacketType.HANDSHAKE,
    ]
    assert found[1][0] == found[0][1].packet_length
    without_bit = bytes([datagram[0] & ~0x40]) + datagram[1:]
    assert packet_starts(without_bit, 8) == found


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    found = packet_starts(data, 8)
    assert all(0 <= start < len(data) for start, _ in found)


def test_what_follows_a_good_packet_does_it_no_harm(certs: Path) -> None:
    """RFC 9000, 12.2: garbage, or an Initial that is cut off."""
    client, datagram = flight(certs)
    for tail in (b"\xff" * 50, datagram[:60], bytes(50)):
        assert started(certs, client, datagram + tail)


def takes(pair: Pair, datagram: bytes) -> bool:
    """Whether the server processes the last packet that was made."""
    number = pair.client._packet_number - 1
    deliver(pair, [datagram])
    return number in pair.server._spaces[Epoch.INITIAL].received_packets


def test_packets_for_another_connection_id_are_ignored(half_open: Pair) -> None:
    """RFC 9000, 12.2: of a datagram, the first packet says for whom all are."""
    client = half_open.client
    good = long_packet(client, Epoch.INITIAL, PING + bytes(40))
    good = good[: packet_starts(good, 8)[0][1].packet_length]
    client._peer_cid.cid = half_open.server.host_cid
    other = long_packet(client, Epoch.INITIAL, PING + bytes(40))
    assert not takes(half_open, good + other)
    assert takes(half_open, other), "alone it is a good one"


def test_an_initial_from_another_source_is_discarded(half_open: Pair) -> None:
    """RFC 9000, 7.2: the first Initial says what a client is called."""
    client = half_open.client
    own, client.host_cid = client.host_cid, b"somebody"
    assert not takes(half_open, long_packet(client, Epoch.INITIAL, PING + bytes(40)))
    client.host_cid = own
    assert takes(half_open, long_packet(client, Epoch.INITIAL, PING + bytes(40)))


def test_a_servers_initial_has_no_token(half_open: Pair) -> None:
    """RFC 9000, 17.2.2: with one, a client discards it."""
    server, client = half_open.server, half_open.client
    for token, is_taken in ((b"token", False), (b"", True)):
        packet = long_packet(server, Epoch.INITIAL, PING + bytes(40), token=token)
        client.receive_datagram(packet, FROM_SERVER, now=half_open.now)
        assert client.is_started is is_taken


def test_an_initial_counts_only_in_a_whole_datagram(certs: Path) -> None:
    """RFC 9000, 14.1; what is ignored in it counts for its size."""
    client, datagram = flight(certs, PaddingBehind)
    end = packet_starts(datagram, 8)[0][1].packet_length
    assert end < 1199
    assert not started(certs, client, datagram[:1199])
    assert started(certs, client, datagram[:end] + b"\xff" * (1200 - end))


def test_bytes_that_are_ignored_are_bytes_received(half_open: Pair) -> None:
    """RFC 9000, 8.1: the limit of three times is of whole datagrams."""
    path = half_open.server._network_paths[0]
    before = path.bytes_received
    own, half_open.client.host_cid = half_open.client.host_cid, b"somebody"
    deliver(half_open, [long_packet(half_open.client, Epoch.INITIAL, PING + bytes(40))])
    half_open.client.host_cid = own
    assert path.bytes_received == before + 1200


def test_a_handshake_goes_on_after_all_that(half_open: Pair) -> None:
    half_open.to_client.drops = lambda *_: False
    deliver(half_open, [b"\xff" * 1200, b"\xc0" + bytes(1199), b"\xc0", b""])
    half_open.run_until(lambda: half_open.client.is_confirmed)
    assert is_alive(half_open)
