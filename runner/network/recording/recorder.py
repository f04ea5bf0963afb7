"""Records what the middlebox did with each packet: in both captures, the link log and counters.

A datagram has the same comment in both captures. The near capture, at the sender's side, has all
that was sent; the far one has what came out. Of TCP segments, which only load the link, the
captures have just the headers.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.middlebox.frame import TCP, Headers
from quicmatrix.runner.network.recording import fate_comment
from quicmatrix.runner.network.recording.capture_writer import CaptureWriter
from quicmatrix.runner.network.recording.lateness import Lateness
from quicmatrix.runner.network.recording.link_log import LinkLogWriter, PacketFields

LEFT_CAPTURE = "left.raw.pcapng"
"""The client's side."""
RIGHT_CAPTURE = "right.raw.pcapng"
"""The server's side."""
LINK_LOG = "link.jsonl"

_TCP_BYTES = 134
"""Of a frame with TCP: Ethernet's header and the longest that IPv4 and TCP can have (60 each)."""


class Sent(NamedTuple):
    """A packet as it entered the middlebox."""

    direction: Direction
    number: int | None
    """It is the n-th UDP datagram of its direction, from 1."""
    time_ns: int
    """When it arrived, on the monotonic clock."""
    frame: bytes
    original_length: int
    headers: Headers
    waiting: int
    """How many packets were in the link's queue when it arrived."""


class Recorder:
    """Owns both captures, the link log and the counts."""

    def __init__(
        self,
        folder: Path,
        scenario: str,
        seed: int,
        *,
        limit_bytes: int,
        epoch_ns: int,
        began_ns: int,
    ) -> None:
        """Open all files.

        Args:
            folder: Where to put them.
            scenario: The scenario string, for their headers.
            seed: The same for the seed.
            limit_bytes: The size limit of each.
            epoch_ns: The time on the wall clock when the monotonic clock is 0.
            began_ns: Now, on the monotonic clock; the link log counts from here.
        """
        self._epoch_ns = epoch_ns
        self._began_ns = began_ns
        comment = f"scenario: {scenario}\nseed: {seed}"
        with ExitStack() as stack:
            self._left, self._right = (
                stack.enter_context(CaptureWriter(folder / file, side, comment, limit_bytes))
                for file, side in ((LEFT_CAPTURE, "left"), (RIGHT_CAPTURE, "right"))
            )
            self._log = stack.enter_context(
                LinkLogWriter(folder / LINK_LOG, scenario, seed, epoch_ns + began_ns, limit_bytes)
            )
            self._files = stack.pop_all()
        self.forwarded = dict.fromkeys(Direction, 0)
        self.drops = 0
        self.lateness = Lateness()

    @property
    def truncated(self) -> str:
        """Why a file ends before the traffic did; empty if none does."""
        for name, file in (
            ("left capture", self._left),
            ("right capture", self._right),
            ("link log", self._log),
        ):
            if file.truncated:
                return f"{name}: {file.truncated}"
        return ""

    def delivered(
        self, sent: Sent, due_ns: int, now_ns: int, frame: bytes, change: str, *, duplicate: bool
    ) -> None:
        """Record that a frame was sent on the far side; a duplicate if not the packet's first."""
        self.forwarded[sent.direction] += 1
        self.lateness.add(now_ns - due_ns)
        delay_ms = (now_ns - sent.time_ns) / 1e6
        comment = fate_comment.delivered(sent.number, delay_ms, change, duplicate=duplicate)
        near, far = self._captures(sent.direction)
        if not duplicate:
            self._capture_sent(near, sent, comment)
        far.write(self._epoch_ns + now_ns, _kept(sent, frame), comment, len(frame))
        began_ns = self._began_ns
        self._log.delivered(
            _packet_fields(sent, self._began_ns),
            due_ns - began_ns,
            now_ns - began_ns,
            change,
            duplicate=duplicate,
        )

    def dropped(self, sent: Sent, fate: Dropped) -> None:
        """Record that a packet will not come out on the far side."""
        self.drops += 1
        near, _ = self._captures(sent.direction)
        self._capture_sent(near, sent, fate_comment.dropped(sent.number, fate.reason))
        self._log.dropped(_packet_fields(sent, self._began_ns), fate.reason)

    def close(self) -> None:
        """Close all files."""
        self._files.close()

    def _captures(self, direction: Direction) -> tuple[CaptureWriter, CaptureWriter]:
        """The near and the far capture."""
        if direction is Direction.TO_SERVER:
            return self._left, self._right
        return self._right, self._left

    def _capture_sent(self, near: CaptureWriter, sent: Sent, comment: str) -> None:
        time_ns = self._epoch_ns + sent.time_ns
        near.write(time_ns, _kept(sent, sent.frame), comment, sent.original_length)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _kept(sent: Sent, frame: bytes) -> bytes:
    return frame[:_TCP_BYTES] if sent.headers.protocol == TCP else frame


def _packet_fields(sent: Sent, began_ns: int) -> PacketFields:
    return (
        sent.direction,
        sent.number,
        sent.headers.protocol,
        sent.time_ns - began_ns,
        sent.waiting,
        sent.headers.ip_length,
    )
