"""Path MTU discovery by probing (RFC 8899; RFC 9000, 14.3), which aioquic leaves out.

The search begins with the largest size that Ethernet carries, since most paths do, and takes a
few steps down. A probe is a PING that is padded to the size in question: its loss costs nothing
but itself, and is no sign of congestion (RFC 9000, 14.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aioquic import tls
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.connection import END_STATES, NetworkAddress
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import (
    QuicDeliveryState,
    QuicPacketBuilder,
    QuicSentPacket,
)

from quicmatrix.endpoint.transport.crypto.transport_parameters import (
    MAX_UDP_PAYLOAD_SIZE,
    TransportParameters,
)
from quicmatrix.endpoint.transport.packets.recovery import Recovery
from quicmatrix.endpoint.transport.sockets.udp import is_ipv4

IPV4_SIZE = 1472
"""1500 bytes without the headers of IPv4 and UDP."""
IPV6_SIZE = 1452
LARGEST_SIZE = 16000
"""Above some 16.4 kB aioquic writes lengths wrongly: into two bytes."""
LOWER_SIZES = (1392, 1280)
"""What tunnels commonly leave."""
MAX_PROBES = 3
"""RFC 8899, 5.1.2: lost probes after which a size is given up."""
BULK_BYTES = 16 * 1024
"""Data waiting on a stream that makes a search worth its probes."""
BLACK_HOLE_PROBES = 3
"""Probe timeouts in a row after which large packets may be what is lost (RFC 8899, 4.3)."""
BLACK_HOLE_LOSSES = 3
"""Times in a row that large packets were lost, until a small one got through, after which large
packets are what is lost."""
INITIAL_ROOM = 128
"""For frames, in an Initial packet beside its header and token: an ACK and some CRYPTO data."""
INITIAL_HEADER_BYTES = 13
"""Of an Initial packet with a token of 64 bytes or more, without connection IDs and token."""
AEAD_TAG_BYTES = 16


class PathMtu(Recovery, TransportParameters):
    """A connection with path MTU discovery."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.searches_path_mtu = True
        """Whether to search at all."""
        self.route_size: Callable[[NetworkAddress], int] | None = None
        """Gives the largest datagram that our own interface carries towards an address, if it
        may be more than Ethernet's: on jumbo frames, and on loopback."""
        self._peers_limit = 65527
        self._base_size = self._max_datagram_size
        self._handshake_size = self._base_size
        self._candidates: Iterator[int] | None = None
        self._candidate: int | None = None
        self._probes_lost = 0
        self._probe_is_out = False
        self._search_is_done = False
        self._large_losses = 0

    @property
    def datagram_size(self) -> int:
        """The largest datagram that is sent, apart from probes."""
        return self._max_datagram_size

    def restart_path_mtu(self) -> None:
        """Return to the smallest size, and search anew: the path is another one."""
        self._use_size(self._base_size if self._handshake_confirmed else self._handshake_size)
        self._candidates = self._candidate = None
        self._probes_lost = 0
        self._search_is_done = False
        self._large_losses = 0

    def _connect(self, now: float) -> None:
        """Begin the handshake with datagrams that have room for the token (RFC 9000, 14.1).

        aioquic sends nothing, or wakes up all the time, if a token fills a datagram of 1200 bytes.
        One that fits no datagram ends the connection if it is a Retry's, which the client has to
        repeat (RFC 9000, 17.2.5.3); one of NEW_TOKEN, which it need not use, is left out.
        """
        largest = self._ethernet_size()
        needed = self._initial_bytes()
        if needed > largest and self._retry_count:
            self._close_event = ConnectionTerminated(
                error_code=QuicErrorCode.INTERNAL_ERROR,
                frame_type=QuicFrameType.PADDING,
                reason_phrase=f"the Retry token of {len(self._peer_token)} bytes fits no datagram",
            )
            self._close_end()
            return
        if needed > largest:
            self._peer_token = b""
        elif needed > self._base_size:
            self._handshake_size = largest
            self._use_size(largest)
        super()._connect(now)

    def _initial_bytes(self) -> int:
        """The size of a datagram that has room for the header of an Initial, and some frames."""
        variable = len(self.host_cid) + len(self._peer_cid.cid) + len(self._peer_token)
        return INITIAL_HEADER_BYTES + variable + AEAD_TAG_BYTES + INITIAL_ROOM

    def _ethernet_size(self) -> int:
        return IPV4_SIZE if is_ipv4(self._network_paths[0].addr[0]) else IPV6_SIZE

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to; a probe may be among them."""
        datagrams = super().datagrams_to_send(now)
        if not self._search_is_done and self._may_probe():
            datagrams += self._probe(now)
        return datagrams

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        super().handle_timer(now)
        if (
            self._max_datagram_size > self._base_size and self._loss._pto_count >= BLACK_HOLE_PROBES  # noqa: SLF001
        ):
            self.restart_path_mtu()

    def _on_lost(self, packets: Sequence[QuicSentPacket]) -> None:
        sizes = (packet.sent_bytes for packet in packets)
        self._large_losses += any(
            self._base_size < size <= self._max_datagram_size for size in sizes
        )

    def _on_newest_acknowledged(self, packet: QuicSentPacket) -> None:
        if packet.sent_bytes > self._base_size:
            self._large_losses = 0
        elif self._large_losses >= BLACK_HOLE_LOSSES:
            self.restart_path_mtu()

    def _may_probe(self) -> bool:
        return (
            self.searches_path_mtu
            and not self._probe_is_out
            and self._handshake_confirmed
            and self._state not in END_STATES
            and not self._close_pending
            and not self._loss._pto_count  # noqa: SLF001
            and self._network_paths[0].is_validated
            and any(
                stream.sender._buffer_stop - stream.sender._buffer_start >= BULK_BYTES  # noqa: SLF001
                for stream in self._streams.values()
            )
        )

    def _probe(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        if self._candidate is None:
            if self._candidates is None:
                self._candidates = self._sizes()
            self._candidate = next(self._candidates, None)
        if self._candidate is None:
            self._search_is_done = True
            return []
        assert self._version is not None
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            is_client=self._is_client,
            max_datagram_size=self._candidate,
            packet_number=self._packet_number,
            peer_cid=self._peer_cid.cid,
            quic_logger=self._quic_logger,
            spin_bit=self._spin_bit,
            version=self._version,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[tls.Epoch.ONE_RTT])
        builder.start_frame(
            QuicFrameType.PING, handler=self._on_probe_delivery, handler_args=(self._candidate,)
        )
        builder._datagram_needs_padding = True  # noqa: SLF001
        self._probe_is_out = True
        number = self._packet_number
        datagrams = self._flush_builder(
            builder=builder,
            network_path=self._network_paths[0],
            peer_cid=self._peer_cid.cid,
            now=now,
        )
        # From here on it does not count for congestion control, whatever becomes of it.
        packet = self._spaces[tls.Epoch.ONE_RTT].sent_packets[number]
        self._loss._cc.on_packets_expired(packets=[packet])  # noqa: SLF001
        packet.in_flight = False
        return datagrams

    def _sizes(self) -> Iterator[int]:
        largest = self._ethernet_size()
        jumbo = 0
        if self.route_size is not None:
            jumbo = min(self.route_size(self._network_paths[0].addr), LARGEST_SIZE)
        wanted = (max(jumbo, largest), largest, *LOWER_SIZES)
        sizes = dict.fromkeys(min(size, self._peers_limit) for size in wanted)
        return (size for size in sizes if size > self._base_size)

    def _on_probe_delivery(self, delivery: QuicDeliveryState, size: int) -> None:
        self._probe_is_out = False
        if size != self._candidate:
            return  # of a path that was left
        if delivery is QuicDeliveryState.ACKED:
            self._use_size(size)
            self._search_is_done = True
            return
        self._probes_lost += 1
        if self._probes_lost == MAX_PROBES:
            self._candidate = None
            self._probes_lost = 0

    def _use_size(self, size: int) -> None:
        self._max_datagram_size = size
        loss = self._loss
        loss._pacer._max_datagram_size = size  # noqa: SLF001
        loss._cc._max_datagram_size = size  # type: ignore[attr-defined]  # noqa: SLF001

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        limit = None if from_session_ticket else self.peer_integer(MAX_UDP_PAYLOAD_SIZE)
        if limit is not None:
            self._peers_limit = max(limit, SMALLEST_MAX_DATAGRAM_SIZE)
