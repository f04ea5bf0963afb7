"""The bytes of a CRYPTO stream, put together from its frames (RFC 9000, 19.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from quicmatrix.runner.trace.model import Crypto, Packet
from quicmatrix.testcases.model import Inconclusive

KEPT = 1 << 16
"""Bytes that are looked at: far more than a ClientHello has, far less than a peer could send."""


@dataclass(slots=True)
class CryptoBytes:
    """What is known of the start of one direction and encryption level, byte by byte."""

    known: dict[int, int] = field(default_factory=dict)
    """The byte at each offset."""

    def add(self, frame: Crypto) -> None:
        """Learn a frame's bytes; the first ones seen at an offset stay."""
        for offset, byte in _start(frame):
            self.known.setdefault(offset, byte)

    def overlaps(self, frame: Crypto) -> bool:
        """Whether a byte of the frame has an offset at which one is known."""
        return any(offset in self.known for offset, _ in _start(frame))

    def contradiction(self, frame: Crypto) -> str:
        """The first byte of the frame that differs from the one known; empty if none does."""
        for offset, byte in _start(frame):
            if (known := self.known.get(offset, byte)) != byte:
                return f"at offset {offset} is 0x{byte:02x} instead of 0x{known:02x}"
        return ""

    def contradicts(self, frame: Crypto) -> bool:
        """Whether a byte of the frame differs from the one known at its offset."""
        return bool(self.contradiction(frame))


def with_bytes(frames: Iterable[tuple[Packet, Crypto]]) -> Iterator[tuple[Packet, Crypto]]:
    """Those frames, if their bytes were kept.

    Raises:
        Inconclusive: They were not.
    """
    for packet, frame in frames:
        if len(frame.data) != frame.length:
            raise Inconclusive(f"the CRYPTO data of {packet} was not kept")
        yield packet, frame


def _start(frame: Crypto) -> Iterator[tuple[int, int]]:
    return enumerate(frame.data[: max(0, KEPT - frame.offset)], start=frame.offset)
