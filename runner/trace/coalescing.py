"""Whether bytes behind a packet in a datagram, which cannot be decrypted, are another packet.

Some endpoints fill datagrams with bytes behind the last packet. If a connection ID is empty, every
byte sequence has the form of a packet of the connection, so its other properties decide.
"""

from __future__ import annotations

from quicmatrix.runner.trace.headers import Header
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2
from quicmatrix.runner.trace.protection import LONGEST_NUMBER, SAMPLE_SIZE

_FIXED_BIT = 0x40


def may_be_packet(data: bytes, header: Header, first: Header, *, greased: bool) -> bool:
    """Whether a receiver could process the bytes as a packet.

    Args:
        data: The bytes.
        header: What they are, read as a packet's header.
        first: The header of the first packet in the datagram.
        greased: Whether the receiver offered grease_quic_bit (RFC 9287, 3).
    """
    offset = header.packet_number_offset
    return (
        # No Retry or Version Negotiation is behind another packet (RFC 9000, 12.2).
        offset is not None
        # RFC 9000, 17.2 and 17.3.1
        and (greased or bool(data[0] & _FIXED_BIT))
        and bool(data.strip(b"\0"))
        # Packets with another connection ID are ignored (RFC 9000, 12.2).
        and header.dcid == first.dcid
        and header.version in (None, first.version, VERSION_1, VERSION_2)
        # A packet that is too short for a sample is discarded (RFC 9001, 5.4.2).
        and len(data) >= offset + LONGEST_NUMBER + SAMPLE_SIZE
    )
