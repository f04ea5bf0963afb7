"""Packet headers, as far as they can be read without keys (RFC 9000, 17; RFC 9369, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.trace.model import VERSION_2, PacketType
from quicmatrix.runner.trace.reader import MalformedError, Reader

INTEGRITY_TAG_SIZE = 16
"""Bytes at the end of a Retry (RFC 9000, 17.2.5)."""

_LONG_TYPES = (
    PacketType.INITIAL,
    PacketType.ZERO_RTT,
    PacketType.HANDSHAKE,
    PacketType.RETRY,
)
_LONG_TYPES_V2 = (
    PacketType.RETRY,
    PacketType.INITIAL,
    PacketType.ZERO_RTT,
    PacketType.HANDSHAKE,
)
_LONG_FORM = 0x80
_FIXED_BIT = 0x40


@dataclass(frozen=True, slots=True)
class Header:
    """A packet's header fields."""

    type: PacketType
    version: int | None
    dcid: bytes
    scid: bytes | None
    token: bytes = b""
    supported_versions: tuple[int, ...] = ()
    packet_number_offset: int | None = None
    """Where the protected packet number begins; None in a packet that has none."""
    size: int | None = None
    """Bytes of the whole packet; None if it ends where its datagram ends."""
    fixed_bit: bool = True


def parse_header(packet: bytes, short_dcid_length: int) -> Header:
    """The header of a packet.

    Args:
        packet: The packet, from its first byte on; of the payload nothing is needed, except that
            a Retry and a Version Negotiation must be whole.
        short_dcid_length: How long the connection ID is if this is a short header, which does not
            say so itself.

    Raises:
        MalformedError: It is cut off.
    """
    reader = Reader(packet)
    first = reader.uint(1)
    fixed_bit = bool(first & _FIXED_BIT)
    if not first & _LONG_FORM:
        dcid = reader.take(short_dcid_length)
        return Header(
            PacketType.ONE_RTT,
            None,
            dcid,
            None,
            packet_number_offset=reader.position,
            fixed_bit=fixed_bit,
        )
    version = reader.uint(4)
    dcid = reader.opaque(1)
    scid = reader.opaque(1)
    if version == 0:
        versions = tuple(reader.uint(4) for _ in range(reader.remaining // 4))
        return Header(
            PacketType.VERSION_NEGOTIATION, version, dcid, scid, supported_versions=versions
        )
    types = _LONG_TYPES_V2 if version == VERSION_2 else _LONG_TYPES
    packet_type = types[(first >> 4) & 3]
    if packet_type is PacketType.RETRY:
        rest = reader.rest()
        if len(rest) < INTEGRITY_TAG_SIZE:
            raise MalformedError("a Retry without its integrity tag")
        token = rest[:-INTEGRITY_TAG_SIZE]
        return Header(packet_type, version, dcid, scid, token=token, fixed_bit=fixed_bit)
    token = reader.take(reader.varint()) if packet_type is PacketType.INITIAL else b""
    length = reader.varint()
    offset = reader.position
    return Header(
        packet_type,
        version,
        dcid,
        scid,
        token=token,
        packet_number_offset=offset,
        size=offset + length,
        fixed_bit=fixed_bit,
    )
