"""A stream, read and written with back-pressure (RFC 9000, 2).

What arrives and is not read counts against the flow-control windows, so a slow reader holds at
most a window of it. A writer waits while more than it may have ahead is not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, cast

from quicmatrix.endpoint.quic.errors import StreamReset, StreamStopped
from quicmatrix.endpoint.transport.connection import Connection

READ_BYTES = 64 * 1024
WRITE_BYTES = 64 * 1024
LEAST_AHEAD_BYTES = 256 * 1024
"""Written but unacknowledged bytes that a stream may have, or two congestion windows if that is
more: the half that is not in flight is there before it can be sent."""


class Owner(Protocol):
    """What a stream needs of its session."""

    connection: Connection

    def act_soon(self) -> None:
        """Send at the next iteration of the event loop."""

    def was_read(self, stream_id: int, size: int) -> None:
        """Account for bytes that an application has taken."""

    def check(self) -> None:
        """Raise ConnectionClosed if the connection is over."""

    def wants_room(self, stream: Stream) -> None:
        """Have :meth:`Stream.let_write` called before anything is sent."""

    def done(self, stream: Stream) -> None:
        """Forget a stream on which nothing will happen any more."""


class Stream:
    """One stream, of either direction or both.

    Args:
        owner: Its session.
        stream_id: RFC 9000, 2.1.
        can_read: Whether anything can come on it.
        can_write: Whether we may send on it.
    """

    def __init__(self, owner: Owner, stream_id: int, *, can_read: bool, can_write: bool) -> None:
        self.id = stream_id
        self.can_read = can_read
        self.can_write = can_write
        self._owner = owner
        self._chunks: deque[bytes] = deque()
        self._is_complete = not can_read
        """Whether all of it has arrived."""
        self._is_read = not can_read
        self._is_written = not can_write
        self._reset: StreamReset | None = None
        self._stopped: StreamStopped | None = None
        self._most_ahead = 0
        """Bytes that may be ahead; 0: as the congestion window allows."""
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # --- Reading --------------------------------------------------------------------------------

    async def read(self, most: int = READ_BYTES) -> bytes:
        """Some of what arrived, in order, as soon as there is any.

        Args:
            most: Bytes to return at most.

        Returns:
            At least one byte; nothing at the end of the stream.

        Raises:
            StreamReset: The peer reset the stream.
            ConnectionClosed: The connection ended before the stream did.
        """
        while not self._chunks:
            if self._reset is not None:
                raise self._reset
            if self._is_complete:
                self._reading_ended()
                return b""
            self._owner.check()
            if self._reader is not None:
                raise RuntimeError(f"stream {self.id} is being read already")
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = self._take(most)
        self._owner.was_read(self.id, len(data))
        return data

    async def read_all(self, most: int = 1 << 30) -> bytes:
        """All that comes, to the end of the stream.

        Args:
            most: Bytes that it may be.

        Raises:
            ValueError: It is more than ``most``.
            StreamReset: The peer reset the stream.
            ConnectionClosed: The connection ended before the stream did.
        """
        parts = bytearray()
        while data := await self.read():
            parts += data
            if len(parts) > most:
                raise ValueError(f"more than {most} bytes on stream {self.id}")
        return bytes(parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of the stream, in order, to its end; raises what :meth:`read` does."""
        while data := await self.read():
            yield data

    def stop(self, error_code: int = 0) -> None:
        """Tell the peer that we do not want any more of it (STOP_SENDING)."""
        if self.can_read and not self._is_complete and not self._owner.connection.is_ending:
            self._owner.connection.stop_stream(self.id, error_code)
            self._owner.act_soon()

    # --- Writing --------------------------------------------------------------------------------

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Send bytes; waits while too many of them are not acknowledged.

        Args:
            data: What to send; may be empty.
            end: Whether nothing will follow.

        Raises:
            StreamStopped: The peer does not want any more, or the stream was reset or has ended.
            ConnectionClosed: The connection ended.
        """
        view = memoryview(data)
        is_last = False
        while not is_last:
            piece, view = view[:WRITE_BYTES], view[WRITE_BYTES:]
            is_last = not view
            await self._until_writable()
            # aioquic takes what a bytearray takes, and copies it once.
            data = cast("bytes", piece)
            self._owner.connection.send_stream_data(self.id, data, end and is_last)
            self._owner.act_soon()
        if end:
            self._writing_ended()

    async def finish(self) -> None:
        """End our side of the stream; raises what :meth:`write` does."""
        await self.write(b"", end=True)

    async def flush(self) -> None:
        """Wait until the peer has acknowledged everything; raises what :meth:`write` does."""
        self._most_ahead = 1
        try:
            while not self._has_room:
                self._check_writable(is_flush=True)
                await self._writer_turn()
        finally:
            self._most_ahead = 0

    def reset(self, error_code: int = 0) -> None:
        """End our side of the stream at once: what is not there yet is lost (RESET_STREAM)."""
        if self._owner.connection.can_send_on(self.id):
            self._owner.connection.reset_stream(self.id, error_code)
            self._owner.act_soon()
            self._writing_ended()

    @property
    def ahead(self) -> int:
        """Bytes that were written and that the peer has not acknowledged."""
        return self._owner.connection.unacknowledged(self.id)

    async def _until_writable(self) -> None:
        self._check_writable()
        while not self._has_room:
            await self._writer_turn()
            self._check_writable()

    async def _writer_turn(self) -> None:
        if self._writer is not None:
            raise RuntimeError(f"stream {self.id} is being written already")
        self._owner.wants_room(self)
        self._writer = asyncio.get_running_loop().create_future()
        try:
            await self._writer
        finally:
            self._writer = None

    def _check_writable(self, *, is_flush: bool = False) -> None:
        self._owner.check()
        if self._stopped is not None:
            raise self._stopped
        if not self.can_write:
            raise RuntimeError(f"stream {self.id} is the peer's alone")
        connection = self._owner.connection
        if not is_flush and not connection.can_send_on(self.id):
            raise StreamStopped(self.id, 0)  # ended or reset by ourselves

    @property
    def _has_room(self) -> bool:
        connection = self._owner.connection
        most = self._most_ahead or max(LEAST_AHEAD_BYTES, 2 * connection.congestion_window)
        return connection.unacknowledged(self.id) < most

    # --- Events of the session -----------------------------------------------------------------

    def data_arrived(self, data: bytes, is_last: bool) -> None:
        """Take in what came."""
        if data:
            self._chunks.append(data)
        self._is_complete = self._is_complete or is_last
        _wake(self._reader)

    def was_reset(self, error_code: int) -> int:
        """Handle RESET_STREAM; returns the number of bytes that were not read."""
        self._reset = StreamReset(self.id, error_code)
        unread = sum(map(len, self._chunks))
        self._chunks.clear()
        self._reading_ended()
        _wake(self._reader)
        return unread

    def was_stopped(self, error_code: int) -> None:
        """The peer wants no more."""
        self._stopped = StreamStopped(self.id, error_code)
        self._writing_ended()
        _wake(self._writer)

    def let_write(self) -> bool:
        """Whether a writer that waits may look again; it does."""
        if self._has_room or not self._owner.connection.can_send_on(self.id):
            _wake(self._writer)
            return True
        return False

    def wake_all(self) -> None:
        """The connection is over."""
        _wake(self._reader)
        _wake(self._writer)

    def _take(self, most: int) -> bytes:
        """At most so many bytes of the chunks, as few of them copied as can be."""
        taken: list[bytes] = []
        room = most
        while self._chunks and room:
            chunk = self._chunks.popleft()
            if len(chunk) > room:
                self._chunks.appendleft(chunk[room:])
                chunk = chunk[:room]
            taken.append(chunk)
            room -= len(chunk)
        if not self._chunks and self._is_complete:
            self._reading_ended()
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _reading_ended(self) -> None:
        self._is_read = True
        if self._is_written:
            self._owner.done(self)

    def _writing_ended(self) -> None:
        self._is_written = True
        if self._is_read:
            self._owner.done(self)


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
