"""1-RTT packets, each of which is a datagram: all but a few of a connection's packets.

aioquic writes a packet into a buffer that may have other packets, copies it out in three pieces,
protects it, writes it back, and copies the datagram out. What it takes in goes through the parser
of all headers, in a copy, with everything that a packet of a handshake or another path could mean.
Both are most of what a packet costs. Here is the case of a connection that is confirmed and stays
on its path; all others are left to aioquic.
"""

from __future__ import annotations

from aioquic import tls
from aioquic._crypto import CryptoError
from aioquic.quic.connection import (
    END_STATES,
    NetworkAddress,
    QuicConnectionError,
    QuicNetworkPath,
    QuicReceiveContext,
)
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    PACKET_FIXED_BIT,
    PACKET_SPIN_BIT,
    QuicErrorCode,
    QuicPacketType,
)
from aioquic.quic.packet_builder import (
    PACKET_NUMBER_SEND_SIZE,
    QuicPacketBuilder,
    QuicPacketBuilderStop,
    QuicSentPacket,
)
from aioquic.quic.recovery import MAX_ACK_RANGES, QuicPacketSpace
from aioquic.quic.stream import QuicStream

from quicmatrix.endpoint.transport.crypto.keys import KeyUpdates
from quicmatrix.endpoint.transport.packets.datagrams import Datagrams
from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT, QuicBit
from quicmatrix.endpoint.transport.streams.flow_control import FlowControl

LEAST_PAYLOAD_BYTES = 2
"""With the packet number, what the sample for header protection needs (RFC 9001, 5.4.2)."""
RESERVED_BITS = 0x18
"""RFC 9000, 17.3.1."""


class ShortHeaderBuilder(QuicPacketBuilder):
    """A packet builder for 1-RTT packets alone, so that each of them begins a datagram."""

    def start_packet(self, packet_type: QuicPacketType, crypto: CryptoPair) -> None:
        """Start a packet, with as much room as the limits of the path and its congestion leave."""
        if self._packet is not None:
            self._end_packet()
        if self.max_total_bytes is not None:
            room = self.max_total_bytes - self._total_bytes
            self._buffer_capacity = min(self._buffer_capacity, room)
        self._flight_capacity = self._buffer_capacity
        if self.max_flight_bytes is not None:
            room = self.max_flight_bytes - self._flight_bytes
            self._flight_capacity = min(self._flight_capacity, room)
        self._header_size = 1 + len(self._peer_cid) + PACKET_NUMBER_SEND_SIZE
        if self._header_size >= self._buffer_capacity:
            raise QuicPacketBuilderStop
        self._datagram_flight_bytes = 0
        self._datagram_init = self._datagram_needs_padding = False
        packet = QuicSentPacket(
            tls.Epoch.ONE_RTT, False, False, False, self._packet_number, packet_type
        )
        self._packet = packet
        self._packet_type, self._packet_crypto = packet_type, crypto
        self.quic_logger_frames = packet.quic_logger_frames
        self._buffer.seek(self._header_size)

    def _end_packet(self) -> None:
        """Protect a packet; one that needs padding is left to aioquic."""
        packet, keys, buf = self._packet, self._packet_crypto, self._buffer
        assert packet is not None
        assert keys is not None
        end = buf.tell()
        if end < self._header_size + LEAST_PAYLOAD_BYTES or self._datagram_needs_padding:
            super()._end_packet()
            return
        first = (
            PACKET_FIXED_BIT
            | self._spin_bit << 5
            | keys.key_phase << 2
            | (PACKET_NUMBER_SEND_SIZE - 1)
        )
        number = self._packet_number
        datagram = keys.encrypt_packet(
            bytes((first,)) + self._peer_cid + (number & 0xFFFF).to_bytes(PACKET_NUMBER_SEND_SIZE),
            buf.data_slice(self._header_size, end),
            number,
        )
        packet.sent_bytes = len(datagram)
        self._packets.append(packet)
        self._datagrams.append(datagram)
        if packet.in_flight:
            self._flight_bytes += len(datagram)
        self._total_bytes += len(datagram)
        self._packet_number += 1
        self._packet = None
        self.quic_logger_frames = None
        buf.seek(0)


class ShortHeaders(KeyUpdates, FlowControl, QuicBit, Datagrams):
    """A connection with a short way for 1-RTT packets once its handshake is confirmed."""

    def _write_application(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float
    ) -> None:
        if self._handshake_confirmed:
            # aioquic creates the builder in the middle of a method.
            builder.__class__ = ShortHeaderBuilder
        super()._write_application(builder, network_path, now)

    def _write_stream_frame(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,
        stream: QuicStream,
        max_offset: int,
    ) -> int:
        """Write a STREAM frame, and packets with more of the stream if there is no other.

        aioquic considers all other frames for each packet, of which the first has had those due.
        """
        used = super()._write_stream_frame(builder, space, stream, max_offset)
        if len(self._streams_queue) != 1 or not self._handshake_confirmed:
            return used
        pacer, crypto = self._loss._pacer, self._cryptos[tls.Epoch.ONE_RTT]  # noqa: SLF001
        more = used if builder.max_total_bytes is None else 0
        while more and (pacer.packet_time is None or pacer.bucket_time > pacer.packet_time):
            pacer.update_after_send(self._limits_at)
            builder.start_packet(QuicPacketType.ONE_RTT, crypto)
            more = super()._write_stream_frame(builder, space, stream, max_offset)
            used += more
        return used

    def _receive_short(self, data: bytes, addr: NetworkAddress, now: float) -> bool:
        """Take in a packet of the path and for the connection ID in use; False if it is another."""
        path = self._network_paths[0]
        number_at = 1 + self._configuration.connection_id_length
        if (
            self._quic_logger is not None
            or self._close_pending
            or self._state in END_STATES
            or not path.is_validated
            or path.addr != addr
            or data[1:number_at] != self.host_cid
            or not (data[0] & QUIC_BIT or self.greases_quic_bit)
        ):
            return False
        space = self._application_space
        try:
            header, payload, number = self._keys.decrypt_packet(
                data, number_at, space.expected_packet_number
            )
        except CryptoError:
            return True
        if number in space.received_packets:
            return True
        if header[0] & RESERVED_BITS:
            self._close_for(QuicErrorCode.PROTOCOL_VIOLATION, "Reserved bits must be zero")
            return True
        if number > self._spin_highest_pn:
            self._spin_bit = bool(header[0] & PACKET_SPIN_BIT) != self._is_client
            self._spin_highest_pn = number
        if number > space.expected_packet_number:
            space.expected_packet_number = number + 1
        self._process_short(number, payload, path, now)
        return True

    def _process_short(
        self, number: int, payload: bytes, path: QuicNetworkPath, now: float
    ) -> None:
        """Process a packet that is intact and new."""
        space = self._application_space
        early = self._cryptos[tls.Epoch.ZERO_RTT].recv
        if early.aead is not None and not self._is_client:
            early.teardown()  # RFC 9001, 4.9.3
        context = QuicReceiveContext(tls.Epoch.ONE_RTT, self.host_cid, path, None, now, None)
        try:
            is_ack_eliciting, _ = self._payload_received(context, payload)
        except QuicConnectionError as error:
            self._logger.warning(error)
            self.close(error.error_code, error.frame_type, error.reason_phrase)
            return
        if self._close_pending or self._state in END_STATES:
            return
        self._close_at = now + self._idle_timeout()
        self._ack_eliciting_sent_since_receipt = False
        if number > space.largest_received_packet:
            space.largest_received_packet = number
            space.largest_received_time = now
        space.ack_queue.add(number)
        space.received_packets.add(number)
        if len(space.ack_queue) > MAX_ACK_RANGES:
            space.ack_queue.shift()
        if is_ack_eliciting and space.ack_at is None:
            space.ack_at = now + self._ack_delay
