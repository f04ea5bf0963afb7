"""What belongs to which part of the handshake, and what becomes of early data (RFC 9001, 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aioquic.quic.events import QuicEvent, StreamDataReceived
from aioquic.quic.packet import QuicErrorCode, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch, HandshakeType

from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.coalescing import packet_starts
from tests.support.injection import (
    FROM_CLIENT,
    FROM_SERVER,
    frame,
    has_handshake_keys,
    inject,
    long_packet,
)
from tests.support.quic_pair import Idle, Link, Pair, client_configuration, server_configuration
from tests.support.tampering import messages


def packet_types(link: Link, first: int = 0) -> list[QuicPacketType]:
    """Of all packets that were sent, in order, from some datagram on."""
    datagrams = [data for _, data in link.sent[first:]]
    return [header.packet_type for data in datagrams for _, header in packet_starts(data, 8)]


@pytest.fixture
def fresh(certs: Path) -> Pair:
    return Pair(client_configuration(certs), server_configuration(certs))


# --- Server ---------------------------------------------------------------------------------------


def test_handshake_done_is_sent_until_it_is_acknowledged(fresh: Pair) -> None:
    """RFC 9001, 4.1.2; RFC 9000, 13.3."""
    fresh.connect()
    fresh.run_until(lambda: fresh.client._handshake_complete)
    fresh.to_client.drops = lambda *_: True
    fresh.run_until(lambda: fresh.server.is_confirmed)
    assert not fresh.client.is_confirmed
    fresh.run_for(0.05)
    fresh.to_client.drops = lambda *_: False
    fresh.run_until(lambda: fresh.client.is_confirmed, limit_s=3.0)


def test_a_server_sends_nothing_but_tickets_after_the_handshake(certs: Path) -> None:
    """RFC 9001, 4.4: above all no CertificateRequest."""
    sent: list[int] = []

    class Server(Connection):
        def _push_crypto_data(self) -> None:
            sent.extend(each[0] for each in messages(self._crypto_buffers[Epoch.ONE_RTT].data))
            super()._push_crypto_data()

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Server)
    pair.complete_handshake()
    pair.run_for(1.0)
    assert set(sent) == {HandshakeType.NEW_SESSION_TICKET}


def test_initials_end_with_the_first_handshake_packet(fresh: Pair) -> None:
    """RFC 9001, 4.9.1: neither side sends any, and the server acknowledges none."""
    fresh.connect()
    late = long_packet(fresh.client, Epoch.INITIAL, b"\x01")
    fresh.run_until(lambda: has_handshake_keys(fresh.client))
    fresh.run_until(lambda: fresh.server._spaces[Epoch.INITIAL].discarded)
    before = len(fresh.to_client.sent)
    fresh.server.receive_datagram(late, FROM_CLIENT, now=fresh.now)
    fresh.drive_server()
    fresh.run_for(2.0)
    assert QuicPacketType.INITIAL not in packet_types(fresh.to_client, before)
    types = packet_types(fresh.to_server)
    first = types.index(QuicPacketType.HANDSHAKE)
    assert QuicPacketType.INITIAL not in types[first:]
    assert fresh.client.is_confirmed


# --- Client ---------------------------------------------------------------------------------------


def test_a_client_changes_its_destination_once(fresh: Pair) -> None:
    """RFC 9000, 7.2: an Initial with another Source Connection ID is discarded."""
    fresh.connect()
    fresh.run_until(lambda: fresh.client.is_started)
    chosen = fresh.client._peer_cid.cid
    host, fresh.server.host_cid = fresh.server.host_cid, b"somebody"
    other = long_packet(fresh.server, Epoch.INITIAL, b"\x01")
    fresh.server.host_cid = host
    received = fresh.client._spaces[Epoch.INITIAL].largest_received_packet
    fresh.client.receive_datagram(other, FROM_SERVER, now=fresh.now)
    assert fresh.client._peer_cid.cid == chosen
    assert fresh.client._spaces[Epoch.INITIAL].largest_received_packet == received
    fresh.run_until(lambda: fresh.client.is_confirmed)


class Requesting(Idle):
    """A client application that sends in 0-RTT, on each of some streams."""

    def __init__(self, connection: Connection, streams: int, size: int) -> None:
        super().__init__()
        self._connection = connection
        self._waiting = [(4 * number, bytes(size)) for number in range(streams)]

    def pump(self) -> None:
        waiting, self._waiting = self._waiting, []
        for stream, data in waiting:
            self._connection.send_stream_data(stream, data, end_stream=True)


class Answering(Idle):
    """A server application that ends each stream when the client has."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def event_received(self, event: QuicEvent) -> None:
        super().event_received(event)
        if isinstance(event, StreamDataReceived) and event.end_stream:
            self._connection.send_stream_data(event.stream_id, b"", end_stream=True)


def early(
    certs: Path, *, accepted: bool, streams: int = 1, size: int = 1000, **limits: Any
) -> Pair:
    """A client that sends early data, and remembers wide limits."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))

    class Server(Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            for name, value in limits.items():
                limit = getattr(self, name)
                limit.value = limit.sent = value

    pair = Pair(
        client_configuration(certs, session_ticket=first.client_tickets[0]),
        server_configuration(certs),
        server_type=Server,
        tickets=first.tickets if accepted else TicketStore(),
    )
    pair.new_server_app = Answering
    pair.client_app = Requesting(pair.client, streams, size)
    pair.connect()
    return pair


def received(pair: Pair) -> int:
    app = pair.server_app
    assert isinstance(app, Idle)
    return sum(len(e.data) for e in app.events if isinstance(e, StreamDataReceived))


@pytest.mark.parametrize(
    ("streams", "size", "limits"),
    [
        (1, 10_000, {"_local_max_data": 3000}),
        (4, 2500, {"_local_max_data": 3000}),
        (6, 100, {"_local_max_streams_bidi": 2}),
    ],
    ids=["data", "data of streams", "streams"],
)
def test_rejected_early_data_keeps_to_the_new_limits(
    certs: Path, streams: int, size: int, limits: dict[str, int]
) -> None:
    """RFC 9000, 7.4.1: and all of it arrives, as the limits grow."""
    pair = early(certs, accepted=False, streams=streams, size=size, **limits)
    pair.run_until(lambda: received(pair) == streams * size, limit_s=10.0)
    assert not pair.server.is_ending


def test_a_limit_that_is_left_out_is_not_remembered(certs: Path) -> None:
    class Silent(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            encoded = super()._serialize_transport_parameters()
            kept, rest = b"", encoded
            while rest:
                size = 2 + rest[1] if rest[0] < 0x40 else len(rest)
                kept, rest = kept + rest[:size] * (rest[0] not in {4, 8}), rest[size:]
            return kept

    pair = early(certs, accepted=False)
    pair._server_type = Silent
    pair.run_until(lambda: pair.client.is_confirmed)
    assert pair.client._remote_max_data == 0
    assert pair.client._remote_max_streams_bidi == 0


@pytest.mark.parametrize("accepted", [True, False])
def test_an_ack_of_early_data_needs_that_it_was_accepted(certs: Path, accepted: bool) -> None:
    """RFC 9001, 4.6.2."""
    pair = early(certs, accepted=accepted)
    number = min(pair.client._spaces[Epoch.ONE_RTT].sent_packets)
    pair.run_until(lambda: received(pair) == 1000)
    pair.run_until(lambda: pair.client.is_confirmed)
    code = inject(pair, frame(0x02, number, 0, 0, 0), to_server=False)
    assert code == (None if accepted else QuicErrorCode.PROTOCOL_VIOLATION)


def test_no_0_rtt_after_1_rtt_and_no_ack_in_it(certs: Path) -> None:
    """RFC 9001, 5.6; RFC 9000, 17.2.3."""
    acknowledged_in: list[QuicPacketType] = []

    pair = early(certs, accepted=True, streams=3, size=5000)
    written = pair.client._write_ack_frame

    def write(builder: QuicPacketBuilder, space: Any, now: float) -> None:
        assert builder._packet_type is not None
        acknowledged_in.append(builder._packet_type)
        written(builder, space, now)

    pair.client._write_ack_frame = write  # type: ignore[method-assign]
    pair.run_until(lambda: received(pair) == 15_000)
    pair.run_for(0.5)
    types = packet_types(pair.to_server)
    assert QuicPacketType.ZERO_RTT in types
    assert QuicPacketType.ZERO_RTT not in types[types.index(QuicPacketType.ONE_RTT) :]
    assert acknowledged_in
    assert QuicPacketType.ZERO_RTT not in acknowledged_in
