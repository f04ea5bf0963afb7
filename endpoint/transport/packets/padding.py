"""PADDING frames inside the last packet of a datagram that must be expanded (RFC 9000, 14.1).

aioquic expands a datagram with an Initial packet by zero bytes behind its last packet, which are
no part of any packet: peers that parse them as one log an error or discard it (RFC 9000, 12.2).
"""

from __future__ import annotations

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    TRANSPORT_CLOSE_FRAME_CAPACITY,
    QuicConnection,
    QuicReceiveContext,
)
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder, QuicSentPacket

_LENGTH_BYTES = 2
_NUMBER_BYTES = 2
"""The Length and Packet Number fields that end a long header, as aioquic writes them."""


class _Protection:
    """Stands for a packet's keys, and keeps what was protected with them."""

    def __init__(self, keys: CryptoPair) -> None:
        self._keys = keys
        self.aead_tag_size = keys.aead_tag_size
        self.key_phase = keys.key_phase
        self.header = b""
        self.payload = b""
        self.number = 0

    def encrypt_packet(self, header: bytes, payload: bytes, number: int) -> bytes:
        self.header, self.payload, self.number = header, payload, number
        return self._keys.encrypt_packet(header, payload, number)

    def protect_padded(self, padding_bytes: int) -> bytes:
        """The same packet with so many PADDING frames more."""
        before, number = self.header[: -_LENGTH_BYTES - _NUMBER_BYTES], self.header[-_NUMBER_BYTES:]
        length = len(self.payload) + padding_bytes + _NUMBER_BYTES + self.aead_tag_size
        header = before + (length | 0x4000).to_bytes(_LENGTH_BYTES) + number
        return self._keys.encrypt_packet(header, self.payload + bytes(padding_bytes), self.number)


class PaddingBuilder(QuicPacketBuilder):
    """A packet builder that expands datagrams with PADDING frames.

    Whether a packet is the last of its datagram is known only when the datagram is complete. Its
    last packet is then protected again, with the padding; the first version was never sent.
    """

    _last: tuple[QuicSentPacket, int, _Protection] | None = None
    """The last packet with a long header in the datagram, where it starts, and its protection."""

    def _end_packet(self) -> None:
        packet, start, keys = self._packet, self._packet_start, self._packet_crypto
        assert packet is not None
        assert keys is not None
        protection = _Protection(keys)
        self._packet_crypto = protection  # type: ignore[assignment]
        super()._end_packet()
        self._packet_crypto = keys
        if protection.header and packet.packet_type is not QuicPacketType.ONE_RTT:
            self._last = packet, start, protection

    def _flush_current_datagram(self) -> None:
        missing = self._buffer_capacity - self._buffer.tell()
        if self._last is not None and self._datagram_needs_padding and missing > 0:
            packet, start, protection = self._last
            self._buffer.seek(start)
            self._buffer.push_bytes(protection.protect_padded(missing))
            # A packet with PADDING frames is in flight (RFC 9002, 2).
            self._datagram_flight_bytes += (
                missing if packet.in_flight else packet.sent_bytes + missing
            )
            packet.sent_bytes += missing
            packet.in_flight = True
            if self._quic_logger is not None:
                packet.quic_logger_frames.append(self._quic_logger.encode_padding_frame())
        self._last = None
        super()._flush_current_datagram()


class Padding(QuicConnection):
    """A connection that expands its Initial datagrams with PADDING frames."""

    def _handle_padding_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        """Skip all PADDING frames at once; aioquic looks at a thousand bytes one by one."""
        rest = buf.data_slice(buf.tell(), buf.capacity)
        buf.seek(buf.capacity - len(rest.lstrip(b"\0")))
        super()._handle_padding_frame(context, frame_type, buf)

    def _write_handshake(self, builder: QuicPacketBuilder, epoch: tls.Epoch, now: float) -> None:
        _use_padding_frames(builder)
        super()._write_handshake(builder, epoch, now)

    def _write_connection_close_frame(
        self,
        builder: QuicPacketBuilder,
        epoch: tls.Epoch,
        error_code: int,
        frame_type: int | None,
        reason_phrase: str,
    ) -> None:
        """Write CONNECTION_CLOSE with as much of the reason as fits (RFC 9000, 19.19).

        aioquic raises QuicPacketBuilderStop if the whole of it does not.
        """
        _use_padding_frames(builder)
        room = builder.remaining_buffer_space - TRANSPORT_CLOSE_FRAME_CAPACITY
        reason_phrase = reason_phrase.encode()[: max(room, 0)].decode(errors="ignore")
        super()._write_connection_close_frame(
            builder=builder,
            epoch=epoch,
            error_code=error_code,
            frame_type=frame_type,
            reason_phrase=reason_phrase,
        )


def _use_padding_frames(builder: QuicPacketBuilder) -> None:
    """Make it a :class:`PaddingBuilder`: aioquic creates builders in the middle of a method."""
    builder.__class__ = PaddingBuilder
