"""What can be read of datagrams that belong to no connection of ours yet."""

from __future__ import annotations

from typing import NamedTuple

from aioquic._buffer import Buffer
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    pull_quic_header,
)

from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT
from quicmatrix.endpoint.transport.sockets.udp import Address

CONNECTION_ID_BYTES = 8
"""Of our connection IDs."""


class First(NamedTuple):
    """The first Initial of a client."""

    data: bytes
    """The whole datagram."""
    address: Address
    header: QuicHeader


def header_of(datagram: bytes) -> QuicHeader:
    """The header of the first packet, whatever its QUIC bit is."""
    data = bytes((datagram[0] | QUIC_BIT,)) + datagram[1:] if datagram else b""
    return pull_quic_header(Buffer(data=data), host_cid_length=CONNECTION_ID_BYTES)


def is_initial(datagram: bytes) -> bool:
    """Whether the first packet is an Initial."""
    try:
        return header_of(datagram).packet_type is QuicPacketType.INITIAL
    except ValueError:
        return False


def destination_of(datagram: bytes) -> bytes:
    """The Destination Connection ID of the first packet; empty if there is none."""
    if datagram and datagram[0] & 0x80:
        return datagram[6 : 6 + datagram[5]] if len(datagram) > 6 else b""
    return datagram[1 : 1 + CONNECTION_ID_BYTES]
