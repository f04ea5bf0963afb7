"""QPACK as bytes (RFC 9204, 4), without Huffman coding. Nothing is checked."""

from __future__ import annotations

from collections.abc import Iterable

STATIC_ENTRIES = 99
"""Of the static table (RFC 9204, A): its last index is 98."""
ENTRY_OVERHEAD = 32
"""Bytes that an entry of the dynamic table counts beside its name and value (RFC 9204, 3.2.1)."""

Field = tuple[bytes, bytes]


def integer(value: int, prefix_bits: int, high_bits: int = 0) -> bytes:
    """A prefixed integer (RFC 9204, 4.1.1) of any size, behind the bits before it."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([high_bits | value])
    value -= most
    encoded = bytearray([high_bits | most])
    while value >= 0x80:
        encoded.append(0x80 | value & 0x7F)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def string(data: bytes, prefix_bits: int = 7, high_bits: int = 0) -> bytes:
    """A string literal (RFC 9204, 4.1.2); the prefix is that of its length."""
    return integer(len(data), prefix_bits, high_bits) + data


# --- Encoder instructions (RFC 9204, 4.3) -------------------------------------------------------


def set_capacity(capacity: int) -> bytes:
    """Set Dynamic Table Capacity."""
    return integer(capacity, 5, 0x20)


def insert_with_name(index: int, value: bytes, *, static: bool = True) -> bytes:
    """Insert with Name Reference; an index into the dynamic table counts from its newest entry."""
    return integer(index, 6, 0x80 | 0x40 * static) + string(value)


def insert(name: bytes, value: bytes) -> bytes:
    """Insert with Literal Name."""
    return string(name, 5, 0x40) + string(value)


def duplicate(index: int) -> bytes:
    """Duplicate."""
    return integer(index, 5)


# --- Decoder instructions (RFC 9204, 4.4) -------------------------------------------------------


def section_acknowledgment(stream_id: int) -> bytes:
    """Section Acknowledgment."""
    return integer(stream_id, 7, 0x80)


def stream_cancellation(stream_id: int) -> bytes:
    """Stream Cancellation."""
    return integer(stream_id, 6, 0x40)


def insert_count_increment(increment: int) -> bytes:
    """Insert Count Increment."""
    return integer(increment, 6)


# --- Field sections (RFC 9204, 4.5) -------------------------------------------------------------


def prefix(encoded_count: int = 0, delta_base: int = 0, *, negative: bool = False) -> bytes:
    """The prefix of a field section: the encoded Required Insert Count and the Base."""
    return integer(encoded_count, 8) + integer(delta_base, 7, 0x80 * negative)


def encoded_count(required: int, capacity: int) -> int:
    """A Required Insert Count as it is encoded, for the decoder's maximum capacity."""
    return 0 if required == 0 else required % (2 * (capacity // ENTRY_OVERHEAD)) + 1


def indexed(index: int, *, static: bool = True) -> bytes:
    """An Indexed Field Line; an index into the dynamic table counts back from the Base."""
    return integer(index, 6, 0x80 | 0x40 * static)


def literal(name: bytes, value: bytes) -> bytes:
    """A Literal Field Line with Literal Name."""
    return string(name, 3, 0x20) + string(value)


def literals(fields: Iterable[Field]) -> bytes:
    """One for each field."""
    return b"".join(literal(name, value) for name, value in fields)
