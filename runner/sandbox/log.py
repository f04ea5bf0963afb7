"""A program's standard output and error, copied to a file of bounded size.

The file has the first and the last part of a long log: the second half of it is a ring buffer until
the log is closed. Beyond a limit, the program is to be stopped.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PIPE_BYTES = 1024 * 1024
KEPT_BYTES = 16 * 1024 * 1024
PAUSE_S = 0.01
"""Between two reads: a program that writes single bytes wakes us a hundred times a second."""


class BoundedLog:
    """Copies a pipe or a socket to a file.

    Args:
        path: The file; it is truncated.
        limit: How many bytes a program may write.
        kept: How many of them the file may hold.
        source: An open socket to read from instead of a pipe; closed with the log.
        decode: Applied to the bytes that are read.

    Attributes:
        end: The write end of the pipe; call :meth:`close_end` once the program has it. -1 if there
            is another source.
        overflow: Whether there were more bytes than the limit.
        fault: The error if the file could not be written.
        over: Set when nothing more will be read: at the source's end, or after one of these.
    """

    def __init__(
        self,
        path: Path,
        limit: int,
        *,
        kept: int = KEPT_BYTES,
        source: int | None = None,
        decode: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.overflow = False
        self.fault: OSError | None = None
        self.over = asyncio.Event()
        self._decode = decode
        self._limit = limit
        self._head = kept // 2
        self._ring = kept - self._head
        self._total = 0
        self._on_full: Callable[[], None] | None = None
        self._done = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o644)
        self._pipe, self.end = os.pipe() if source is None else (source, -1)
        with suppress(OSError):  # the user's pipes may be at their limit: then it stays smaller
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._drain)

    @property
    def left_out(self) -> int:
        """How many bytes in the middle are not in the file."""
        return max(self._total - self._head - self._ring, 0)

    def when_full(self, call: Callable[[], None]) -> None:
        """Set what is called, once, on overflow or a fault."""
        self._on_full = call
        if self.overflow or self.fault is not None:
            call()

    def close_end(self) -> None:
        """Close our copy of the write end."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def close(self) -> None:
        """Copy what is left in the pipe, and close everything."""
        if self._pipe < 0:
            return
        self._pause()
        while not self._done and self._copy():
            pass
        self.close_end()
        if self.left_out and self.fault is None:
            self._unroll()
        os.close(self._pipe)
        os.close(self._file)
        self._pipe = self._file = -1

    def _drain(self) -> None:
        self._copy()
        self._pause()
        if not self._done:
            self._timer = self._loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._loop.add_reader(self._pipe, self._drain)

    def _pause(self) -> None:
        self._loop.remove_reader(self._pipe)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _copy(self) -> bool:
        """Copy what can be read without blocking; returns whether there was anything."""
        try:
            data = os.read(self._pipe, PIPE_BYTES)
        except BlockingIOError:
            return False
        except ConnectionResetError:  # a socket whose other end died
            data = b""
        text = memoryview(self._decode(data))
        kept = text[: self._limit - self._total]
        self.overflow = len(text) > len(kept)
        try:
            while kept:
                kept = kept[self._store(kept) :]
        except OSError as error:
            self.fault = error
        self._done = not data or self.overflow or self.fault is not None
        if self._done:
            self.over.set()
        if self._done and data and self._on_full is not None:
            self._on_full()
        return bool(data)

    def _store(self, text: memoryview) -> int:
        """Write the next bytes where they belong; returns how many of them."""
        beyond = self._total - self._head
        offset = self._head + beyond % self._ring if beyond > 0 else self._total
        room = (self._head if beyond < 0 else self._head + self._ring) - offset
        written = os.pwrite(self._file, text[:room], offset)
        self._total += written
        return written

    def _unroll(self) -> None:
        """Bring the ring buffer into the order of time, and say what is missing before it."""
        start = (self._total - self._head) % self._ring
        gap = b"\n... %d bytes left out ...\n" % self.left_out
        try:
            ring = os.pread(self._file, self._ring, self._head)
            in_order = ring[start:] + ring[:start]
            os.pwrite(self._file, (gap + in_order[len(gap) :])[: len(ring)], self._head)
        except OSError as error:
            self.fault = error
