"""Which packets of a datagram are processed (RFC 9000, 12.2), decided before decryption.

aioquic processes one packet after the other without regard to the others. What must not be
processed is overwritten with zeros, which aioquic skips, so that the size of the datagram still
counts for the anti-amplification limit and the minimum of 1200 bytes (RFC 9000, 8.1 and 14.1).
"""

from __future__ import annotations

from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicConnectionState
from aioquic.quic.packet import QuicHeader, QuicPacketType, pull_quic_header

from quicmatrix.endpoint.transport.packets.datagrams import LONG_HEADER, Datagrams
from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT, QuicBit, restored


def packet_starts(data: bytes, connection_id_length: int) -> list[tuple[int, QuicHeader]]:
    """Where the packets of a datagram begin, and their headers, up to what is no packet.

    The QUIC bit is not looked at (RFC 9287). Packets that are not for the connection ID of the
    first are left out (RFC 9000, 12.2), which also goes for padding between them.
    """
    found: list[tuple[int, QuicHeader]] = []
    buf = Buffer(data=data)
    start = 0
    while start < len(data):
        buf.seek(start)
        if not data[start] & QUIC_BIT:
            buf.push_uint8(data[start] | QUIC_BIT)
            buf.seek(start)
        try:
            header = pull_quic_header(buf, host_cid_length=connection_id_length)
        except ValueError:
            break
        if found and header.destination_cid != found[0][1].destination_cid:
            break
        found.append((start, header))
        start += header.packet_length
    return found


class Coalescing(QuicBit, Datagrams):
    """A connection that filters the packets of a datagram before aioquic processes them."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._first_byte = 0

    def _filtered(self, data: bytes) -> bytes:
        """The datagram, with zeros in place of what must not be processed."""
        if not data[0] & LONG_HEADER:
            return restored(data, (0,)) if self.greases_quic_bit else data
        packets = packet_starts(data, self._configuration.connection_id_length)
        cleared = []
        end = 0
        for start, header in packets:
            if not self._may_process(header):
                break
            end = start + header.packet_length
            if not data[start] & QUIC_BIT and header.version != 0:
                if not self._takes_greased(header):
                    break
                cleared.append(start)
        if end < len(data):
            data = data[:end] + bytes(len(data) - end)
        self._first_byte = data[0]
        return restored(data, cleared) if cleared else data

    def _may_process(self, header: QuicHeader) -> bool:
        if header.packet_type is QuicPacketType.VERSION_NEGOTIATION:
            return bool(header.supported_versions)  # RFC 8999, 6
        if header.packet_type is not QuicPacketType.INITIAL:
            return True
        if self._is_client:
            return not header.token  # RFC 9000, 17.2.2
        # RFC 9000, 7.2: a server's first Initial says what the client is called. aioquic checks
        # this of a client's peer only.
        first = self._remote_initial_source_connection_id
        return first is None or header.source_cid == first

    def _takes_greased(self, header: QuicHeader) -> bool:
        """Whether a packet may come without the QUIC bit (RFC 9287, 3.1).

        A client that a server does not know yet needs a token of that server for it.
        """
        if not self.greases_quic_bit:
            return False
        is_first = not self._is_client and self._state is QuicConnectionState.FIRSTFLIGHT
        return not is_first or bool(header.token)

    def _receive_retry_packet(
        self, header: QuicHeader, packet_without_tag: bytes, now: float
    ) -> None:
        # It is never coalesced, and its integrity tag is of what was sent.
        packet_without_tag = bytes((self._first_byte,)) + packet_without_tag[1:]
        super()._receive_retry_packet(header, packet_without_tag, now)
