"""The one QUIC packet that the network itself has to know."""

from __future__ import annotations


def is_version_negotiation(datagram: bytes) -> bool:
    """RFC 9000, 17.2.1: a long header, version 0."""
    return len(datagram) >= 7 and datagram[0] & 0x80 != 0 and datagram[1:5] == b"\0\0\0\0"
