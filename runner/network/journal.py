"""Every fate, told once: here captures are written and packets counted.

Both captures of a datagram carry the same comment. The near one, of the sender's side, has all that
was sent; the far one has what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.network.capture import CaptureWriter
from runner.network.fate import Direction
from runner.network.lateness import Lateness

LEFT_CAPTURE = "left.raw.pcapng"
"""The client's side."""
RIGHT_CAPTURE = "right.raw.pcapng"
"""The server's side."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet as it entered the middlebox."""

    direction: Direction
    number: int | None
    """It is the n-th UDP datagram of its direction, from 1."""
    time_ns: int
    """When it arrived, on the monotonic clock."""
    frame: bytes
    original_length: int


class Journal:
    """Owns both captures, and the counts."""

    def __init__(self, folder: Path, comment: str, limit_bytes: int, epoch_ns: int) -> None:
        """Open the captures.

        Args:
            folder: Where to put them.
            comment: What both say about themselves.
            limit_bytes: How large each may become.
            epoch_ns: What the wall clock shows when the monotonic clock is 0.
        """
        self._epoch_ns = epoch_ns
        self._left = CaptureWriter(folder / LEFT_CAPTURE, "left", comment, limit_bytes)
        try:
            self._right = CaptureWriter(folder / RIGHT_CAPTURE, "right", comment, limit_bytes)
        except BaseException:
            self._left.close()
            raise
        self.forwarded = dict.fromkeys(Direction, 0)
        self.dropped = 0
        self.lateness = Lateness()

    @property
    def truncated(self) -> str:
        """Why a capture ends before the traffic did; empty if none does."""
        for name, capture in (("left", self._left), ("right", self._right)):
            if capture.truncated:
                return f"{name} capture: {capture.truncated}"
        return ""

    def delivered(
        self, sent: Sent, due_ns: int, now_ns: int, frame: bytes, change: str, *, again: bool
    ) -> None:
        """A frame went out on the far side; ``again`` if not the packet's first."""
        self.forwarded[sent.direction] += 1
        self.lateness.add(now_ns - due_ns)
        comment = f"delivered after {(now_ns - sent.time_ns) / 1e6:.1f} ms"
        if change:
            comment += f", {change}"
        comment = _numbered(sent, f"again {comment}" if again else comment)
        near, far = self._captures(sent.direction)
        if not again:
            near.write(self._epoch_ns + sent.time_ns, sent.frame, comment)
        far.write(self._epoch_ns + now_ns, frame, comment)

    def not_delivered(self, sent: Sent, reason: str) -> None:
        """A packet will not come out on the far side."""
        self.dropped += 1
        near, _ = self._captures(sent.direction)
        comment = _numbered(sent, f"dropped: {reason}")
        near.write(self._epoch_ns + sent.time_ns, sent.frame, comment, sent.original_length)

    def _captures(self, direction: Direction) -> tuple[CaptureWriter, CaptureWriter]:
        """The near and the far one."""
        if direction is Direction.TO_SERVER:
            return self._left, self._right
        return self._right, self._left

    def close(self) -> None:
        """Close both captures."""
        self._left.close()
        self._right.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _numbered(sent: Sent, text: str) -> str:
    return text if sent.number is None else f"#{sent.number} {text}"
