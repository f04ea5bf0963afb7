"""HTTP/3 and as much of QPACK as requirements need, from the bytes of streams. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quicmatrix.runner.trace.model import Packet, Stream

DATA, HEADERS, SETTINGS = 0x00, 0x01, 0x04
CONTROL, QPACK_ENCODER = 0x00, 0x02

_STATUS = {24: 103, 25: 200, 26: 304, 27: 404, 28: 503} | dict(
    enumerate((100, 204, 206, 302, 400, 403, 421, 425, 500), start=63)
)
"""The entries of the static table for ``:status`` (RFC 9204, A)."""
_DIGITS = {(5, digit): digit for digit in range(3)} | {
    (6, 0x19 - 3 + digit): digit for digit in range(3, 10)
}
"""Bits and Huffman code of each digit (RFC 7541, B)."""


def stream_bytes(packets: Iterable[Packet], stream_id: int) -> bytes:
    """The beginning of a stream, up to the first byte that is not known."""
    pieces = sorted(
        (frame.offset, frame.data)
        for packet in packets
        for frame in packet.frames
        if isinstance(frame, Stream) and frame.stream_id == stream_id
    )
    known = bytearray()
    for offset, data in pieces:
        if offset > len(known):
            break
        known[offset : offset + len(data)] = data
    return bytes(known)


def integers(data: bytes) -> Iterator[tuple[int, int]]:
    """The variable-length integers at the beginning, each with the offset behind it."""
    at = 0
    while at < len(data) and at + (size := 1 << (data[at] >> 6)) <= len(data):
        value = int.from_bytes(data[at : at + size]) & ((1 << (8 * size - 2)) - 1)
        at += size
        yield value, at


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of the frames that are whole (RFC 9114, 7.1)."""
    while True:
        found = integers(data)
        kind, _ = next(found, (0, 0))
        size, at = next(found, (0, 0))
        if not at or at + size > len(data):
            return
        yield kind, data[at : at + size]
        data = data[at + size :]


def stream_type(data: bytes) -> tuple[int | None, bytes]:
    """The type of a unidirectional stream, and what follows it; None if it is not whole."""
    kind, at = next(integers(data), (None, 0))
    return kind, data[at:]


def refers_to_dynamic_table(section: bytes) -> bool:
    """Whether a field section needs entries of the dynamic table (RFC 9204, 4.5.1.1)."""
    return bool(section) and section[0] != 0


def status(data: bytes) -> int | None:
    """The final status of a response, from its stream; None if it is not there or not read.

    Raises:
        ValueError: It is there, and encoded in a way that is not read.
    """
    for kind, payload in frames(data):
        if kind == HEADERS and (code := section_status(payload)) >= 200:
            return code
    return None


def section_status(section: bytes) -> int:
    """``:status`` of a field section in which it comes first (RFC 9204, 4.5).

    Raises:
        ValueError: It refers to the dynamic table, or its first field line is not ``:status``
            with a name from the static table.
    """
    try:
        if refers_to_dynamic_table(section):
            raise ValueError("the field section refers to the dynamic table")
        _, line = _prefixed(section[1:], 7)
        if line[0] & 0xC0 == 0xC0:
            index, _ = _prefixed(line, 6)
            return _STATUS[index]
        if line[0] & 0xD0 == 0x50:
            index, value = _prefixed(line, 4)
            if index in _STATUS:
                size, text = _prefixed(value, 7)
                return _huffman(text[:size]) if value[0] & 0x80 else int(text[:size])
    except (IndexError, KeyError):
        pass
    raise ValueError("the first field line is no :status from the static table")


def _prefixed(data: bytes, bits: int) -> tuple[int, bytes]:
    """A prefixed integer (RFC 9204, 4.1.1), and what follows it."""
    most = (1 << bits) - 1
    value = data[0] & most
    if value < most:
        return value, data[1:]
    for at, byte in enumerate(data[1:11], start=1):
        value += (byte & 0x7F) << 7 * (at - 1)
        if not byte & 0x80:
            return value, data[at + 1 :]
    raise ValueError("an integer does not end")


def _huffman(data: bytes) -> int:
    bits = "".join(f"{byte:08b}" for byte in data)
    number = 0
    while len(bits) >= 5 and "0" in bits:
        size = next(
            size for size in (5, 6, 0) if not size or (size, int(bits[:size], 2)) in _DIGITS
        )
        if not size:
            raise ValueError("the status is no number")
        number = number * 10 + _DIGITS[size, int(bits[:size], 2)]
        bits = bits[size:]
    return number
