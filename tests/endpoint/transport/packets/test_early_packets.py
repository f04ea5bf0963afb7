"""Packets that overtake what brings their keys (RFC 9000, 5.2.2; RFC 9001, 4.1.4 and 5.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aioquic.quic.connection import QuicReceiveContext
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived
from aioquic.quic.packet import QuicPacketType
from aioquic.tls import Epoch, SessionTicket

from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.coalescing import packet_starts
from quicmatrix.endpoint.transport.packets.early_packets import (
    MOST_KEPT_BYTES,
    EarlyPackets,
    KeepingCryptoPair,
)
from quicmatrix.endpoint.transport.sockets.listener import MOST_EARLY_DATAGRAMS, Listener
from quicmatrix.endpoint.transport.sockets.udp import Address
from tests.support.injection import (
    FROM_CLIENT,
    FROM_SERVER,
    hello_in_pieces,
    long_packet,
    short_packet,
)
from tests.support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    START,
    Idle,
    Pair,
    client_configuration,
    events,
    server_configuration,
)

V1, V2 = 0x00000001, 0x6B3343CF
BOTH = {"supported_versions": [V1, V2], "original_version": V1}


class Counting(Connection):
    """Remembers the encryption level and the ECN field of the packets that it processes."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.processed: list[tuple[Epoch, int]] = []

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        self.processed.append((context.epoch, self.codepoint_received))
        return super()._payload_received(context, plain, crypto_frame_required)


def split(datagrams: Sequence[tuple[bytes, Any]]) -> list[bytes]:
    """One packet a datagram, of which those with Initials have 1200 bytes."""
    packets = []
    for data, _ in datagrams:
        for start, header in packet_starts(data, 8):
            packet = data[start : start + header.packet_length]
            is_initial = header.packet_type is QuicPacketType.INITIAL
            packets.append(packet.ljust(1200, b"\0") if is_initial else packet)
    return packets


def resumable(certs: Path, **changes: Any) -> tuple[SessionTicket, TicketStore]:
    pair = Pair(client_configuration(certs), server_configuration(certs, **changes))
    pair.connect()
    pair.run_until(lambda: bool(pair.client_tickets))
    return pair.client_tickets[0], pair.tickets


def begun(certs: Path, data: bytes, **changes: Any) -> tuple[Connection, list[bytes], TicketStore]:
    """A client with a ticket, its first flight (a packet a datagram), the server's tickets."""
    ticket, tickets = resumable(certs)
    client = Connection(configuration=client_configuration(certs, session_ticket=ticket, **changes))
    client.connect(SERVER_ADDRESS, now=START)
    client.send_stream_data(0, data, end_stream=True)
    return client, split(client.datagrams_to_send(now=START)), tickets


def server_for(client: Connection, certs: Path, tickets: TicketStore, **changes: Any) -> Counting:
    return Counting(
        configuration=server_configuration(certs, **changes),
        original_destination_connection_id=client.original_destination_connection_id,
        session_ticket_fetcher=tickets.take,
        session_ticket_handler=tickets.add,
    )


def data_received(connection: Connection) -> bytes:
    return b"".join(e.data for e in events(connection) if isinstance(e, StreamDataReceived))


# --- Client ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("greases", [True, False])
def test_a_flight_of_the_server_may_arrive_backwards(certs: Path, greases: bool) -> None:
    class Greasing(Counting):
        greases_quic_bit = greases

    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=Greasing,
        server_type=Greasing,
    )
    pair.to_client.drops = lambda *_: True
    pair.connect()
    pair.run_until(lambda: pair._server is not None)
    pair.server.send_stream_data(1, b"half an RTT early")
    pair.drive_server()
    pair.client.codepoint_received = 2
    for packet in reversed(split([(data, None) for _, data in pair.to_client.sent])):
        pair.client.receive_datagram(packet, FROM_SERVER, now=pair.now)
        pair.client.codepoint_received = 2
    assert any(isinstance(e, HandshakeCompleted) for e in list(pair.client._events))
    assert data_received(pair.client) == b"half an RTT early"
    assert isinstance(pair.client, Counting)
    levels = [epoch for epoch, _ in pair.client.processed]
    assert levels == sorted(levels, key=[Epoch.INITIAL, Epoch.HANDSHAKE, Epoch.ONE_RTT].index)
    assert {codepoint for _, codepoint in pair.client.processed} == {2}
    assert pair.client.codepoint_received == 2


def test_a_handshake_packet_of_another_version_is_dropped(certs: Path) -> None:
    """RFC 9369, 4.1: its version is in its header alone, the keys are the right ones."""
    pair = Pair(
        client_configuration(certs, **BOTH),
        server_configuration(certs, supported_versions=[V2, V1]),
        client_type=Counting,
    )
    pair.connect()
    pair.run_until(lambda: pair._server is not None)
    ping = long_packet(pair.server, Epoch.HANDSHAKE, b"\x01")
    assert int.from_bytes(ping[1:5]) == V2
    keys = pair.client._cryptos[Epoch.HANDSHAKE]
    pair.run_until(keys.recv.is_valid)
    assert isinstance(pair.client, Counting)
    pair.client.processed.clear()
    keys.recv.version = V1  # as if version 1 were the one that was negotiated
    pair.client.receive_datagram(ping, FROM_SERVER, now=pair.now)
    assert not pair.client.processed
    keys.recv.version = V2
    pair.client.receive_datagram(ping, FROM_SERVER, now=pair.now)
    assert pair.client.processed


# --- Server ---------------------------------------------------------------------------------------


def test_1_rtt_before_finished_is_processed_after_it(certs: Path) -> None:
    """RFC 9001, 5.7: and neither processed nor acknowledged before."""
    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Counting)
    pair.connect()
    pair.run_until(lambda: pair.client._handshake_complete)
    arrived = len(pair.to_server.sent)
    pair.to_server.drops = lambda number, _: number > 1
    pair._arrivals.clear()
    early = short_packet(pair.client, b"\x0a\x00\x07request")
    before = len(pair.to_client.sent)
    pair.server.receive_datagram(early, FROM_CLIENT, now=pair.now)
    pair.drive_server()
    assert pair.server._spaces[Epoch.ONE_RTT].largest_received_packet < 0
    assert len(pair.to_client.sent) == before
    for _, data in pair.to_server.sent[1:arrived]:
        pair.server.receive_datagram(data, FROM_CLIENT, now=pair.now)
    assert pair.server.is_confirmed
    assert data_received(pair.server) == b"request"


@pytest.mark.parametrize("own", [[V1], [V2, V1]], ids=["1", "2"])
def test_0_rtt_may_overtake_the_end_of_the_client_hello(certs: Path, own: list[int]) -> None:
    """It is of the original version, whatever is negotiated (RFC 9369, 4.1)."""
    client, packets, tickets = begun(certs, b"request", **BOTH)
    server = server_for(client, certs, tickets, supported_versions=own)
    initial, *early = packets
    assert early
    server.receive_datagram(hello_in_pieces(client, (1,))[0], CLIENT_ADDRESS, now=START)
    for packet in early:
        server.receive_datagram(packet, CLIENT_ADDRESS, now=START)
    assert data_received(server) == b""
    before = server._network_paths[0].bytes_received
    server.receive_datagram(initial, CLIENT_ADDRESS, now=START)
    assert data_received(server) == b"request"
    assert server._network_paths[0].bytes_received == before + len(initial), "counted once"


def test_rejected_0_rtt_is_not_kept(certs: Path) -> None:
    client, (initial, *early), _ = begun(certs, b"request")
    server = server_for(client, certs, TicketStore())
    server.receive_datagram(hello_in_pieces(client, (1,))[0], CLIENT_ADDRESS, now=START)
    for packet in (*early, initial, *early):
        server.receive_datagram(packet, CLIENT_ADDRESS, now=START)
    keys = server._cryptos[Epoch.ZERO_RTT]
    assert isinstance(keys, KeepingCryptoPair)
    assert not keys.kept
    assert not server._early[Epoch.ZERO_RTT]


def test_early_packets_are_bounded(certs: Path) -> None:
    client, (_, early, *_), _ = begun(certs, bytes(5000))
    server = server_for(client, certs, TicketStore())
    server.receive_datagram(hello_in_pieces(client, (1,))[0], CLIENT_ADDRESS, now=START)
    for _ in range(100):
        server.receive_datagram(early, CLIENT_ADDRESS, now=START)
    kept = sum(len(each.packet) for each in server._early[Epoch.ZERO_RTT])
    assert MOST_KEPT_BYTES - 1500 < kept <= MOST_KEPT_BYTES


def test_nothing_is_kept_of_a_complete_handshake(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.complete_handshake()
    for connection in (pair.client, pair.server):
        assert isinstance(connection, EarlyPackets)
        assert not any(connection._early.values())
        for epoch in (Epoch.ZERO_RTT, Epoch.HANDSHAKE, Epoch.ONE_RTT):
            keys = connection._cryptos[epoch]
            assert isinstance(keys, KeepingCryptoPair)
            assert keys.room == 0


def test_no_0_rtt_in_the_negotiated_version(certs: Path) -> None:
    """RFC 9369, 4.1: the client goes on in 1-RTT."""
    ticket, tickets = resumable(certs)
    pair = Pair(
        client_configuration(certs, session_ticket=ticket, **BOTH),
        server_configuration(certs, supported_versions=[V2, V1]),
        tickets=tickets,
    )
    pair.to_client.drops = lambda *_: True
    server_app = Idle()
    pair.new_server_app = lambda _: server_app
    pair.connect()
    pair.client.send_stream_data(0, bytes(2_000))
    pair.drive_client()
    pair.run_until(lambda: bool(pair.to_client.sent))
    server_hello, *_ = split([(data, None) for _, data in pair.to_client.sent])
    pair.client.receive_datagram(server_hello, FROM_SERVER, now=pair.now)
    pair.client.send_stream_data(0, bytes(2_000), end_stream=True)
    pair.drive_client()
    assert pair.client._version == V2
    pair.to_client.drops = lambda *_: False
    pair.run_until(lambda: pair.client.is_confirmed)
    headers = [each for _, data in pair.to_server.sent for _, each in packet_starts(data, 8)]
    early = [each.version for each in headers if each.packet_type is QuicPacketType.ZERO_RTT]
    assert set(early) == {V1}
    pair.run_for(1.0)
    received = [e.data for e in server_app.events if isinstance(e, StreamDataReceived)]
    assert b"".join(received) == bytes(4_000)


# --- Before there is a connection -----------------------------------------------------------------


def listener(certs: Path, tickets: TicketStore) -> tuple[Listener, list[Counting]]:
    accepted: list[Counting] = []
    settings = server_configuration(certs)

    def accept(origin: Any) -> tuple[Connection, Idle]:
        accepted.append(
            Counting(
                configuration=settings,
                original_destination_connection_id=origin.original_destination,
                session_ticket_fetcher=tickets.take,
                session_ticket_handler=tickets.add,
            )
        )
        return accepted[-1], Idle()

    def send(_datagrams: Sequence[tuple[bytes, Address]], _codepoint: int) -> None:
        pass

    return Listener(settings, accept, send), accepted


@pytest.mark.parametrize("is_same", [True, False], ids=["own", "another"])
def test_0_rtt_may_overtake_the_first_initial(certs: Path, is_same: bool) -> None:
    """In this order Linux' in-kernel client sends; only what came from its address counts."""

    async def story() -> None:
        client, (initial, *early), tickets = begun(certs, b"request")
        target, accepted = listener(certs, tickets)
        elsewhere = CLIENT_ADDRESS if is_same else ("193.167.0.101", 50000)
        for packet in early:
            target.received(packet, elsewhere, 1)
        assert not accepted
        target.received(initial, CLIENT_ADDRESS)
        (server,) = accepted
        expected = [(Epoch.INITIAL, 0)] + [(Epoch.ZERO_RTT, 1)] * len(early) * is_same
        assert server.processed == expected
        assert not target._early
        target.drained()
        target.close(0)
        assert client.is_started is False

    asyncio.run(story())


def test_datagrams_without_a_connection_are_bounded(certs: Path) -> None:
    async def story() -> None:
        _, (_, early, *_), tickets = begun(certs, b"request")
        target, accepted = listener(certs, tickets)
        for _ in range(2 * MOST_EARLY_DATAGRAMS):
            target.received(early, CLIENT_ADDRESS)
        assert len(target._early) == MOST_EARLY_DATAGRAMS
        assert not accepted

    asyncio.run(story())
