"""Reads the RFCs' encodings from bytes; truncated or wrong ones raise one named error."""

from __future__ import annotations


class MalformedError(ValueError):
    """Bytes that violate the encoding that the RFC specifies."""


class Reader:
    """A cursor over bytes.

    Every method that reads raises :class:`MalformedError` if too few bytes are left.
    """

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return self._position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self._position

    def uint(self, size: int) -> int:
        """An integer of that many bytes, in network byte order."""
        return int.from_bytes(self.take(size))

    def varint(self) -> int:
        """A variable-length integer (RFC 9000, 16)."""
        position = self._position
        if position >= self._end:
            raise MalformedError("cut off in an integer")
        first = self._data[position]
        if first < 0x40:
            self._position = position + 1
            return first
        size = 1 << (first >> 6)
        return self.uint(size) & ((1 << (8 * size - 2)) - 1)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        position = self._position
        if size > self._end - position:
            raise MalformedError(f"{size} bytes are announced, {self._end - position} are there")
        self._position = position + size
        return self._data[position : position + size]

    def opaque(self, length_size: int) -> bytes:
        """A vector of TLS: a length of that many bytes, then the content (RFC 8446, 3.4)."""
        return self.take(self.uint(length_size))

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(self.remaining)

    def skip_zeros(self) -> int:
        """Skip zero bytes; returns their number."""
        rest = self._data[self._position :]
        count = len(rest) - len(rest.lstrip(b"\0"))
        self._position += count
        return count
