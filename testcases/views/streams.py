"""Stream IDs, and the bytes of a stream that went by."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from enum import IntEnum


class StreamType(IntEnum):
    """The two least significant bits of a stream ID (RFC 9000, 2.1)."""

    CLIENT_BIDIRECTIONAL = 0
    SERVER_BIDIRECTIONAL = 1
    CLIENT_UNIDIRECTIONAL = 2
    SERVER_UNIDIRECTIONAL = 3

    @classmethod
    def of(cls, stream_id: int) -> StreamType:
        """The type of a stream."""
        return cls(stream_id & 0b11)


def index(stream_id: int) -> int:
    """Which stream of its type it is, from 0 (RFC 9000, 2.1)."""
    return stream_id >> 2


@dataclass(slots=True)
class Ranges:
    """A set of byte offsets, kept as ranges that neither overlap nor touch, in order."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The offset behind the last byte of each range."""

    def add(self, start: int, length: int) -> int:
        """Add the bytes from ``start`` on; return how many of them are new."""
        if length <= 0:
            return 0
        end = start + length
        low, high = bisect_left(self.ends, start), bisect_right(self.starts, end)
        if low < high:
            start, end = min(start, self.starts[low]), max(end, self.ends[high - 1])
        removed = sum(self.ends[low:high]) - sum(self.starts[low:high])
        self.starts[low:high], self.ends[low:high] = [start], [end]
        return end - start - removed
