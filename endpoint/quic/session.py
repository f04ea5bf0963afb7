"""One connection, as a program uses it: streams, datagrams, keys and path."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from aioquic.quic.events import (
    DatagramFrameReceived,
    HandshakeCompleted,
    PingAcknowledged,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.stream import QuicStreamSender

from quicmatrix.endpoint.quic.errors import ConnectionClosed, DatagramTooLarge
from quicmatrix.endpoint.quic.statistics import Statistics, read_statistics
from quicmatrix.endpoint.quic.stream import Stream
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.client_sockets import ClientSockets
from quicmatrix.endpoint.transport.sockets.driver import Driven, Driver

MOST_UNACCEPTED = 256
"""Streams of the peer that wait to be accepted; further ones are refused."""
MOST_DATAGRAMS = 256
"""Datagrams that wait to be read, or to be sent."""
LIMITS_PER_WINDOW = 8
"""How often, while a window is read, we look whether a new limit is due."""

_SERVER_INITIATED = 0x01
_UNIDIRECTIONAL = 0x02
"""RFC 9000, 2.1: the two low bits of a stream ID."""


class Session(Driven):
    """A connection to one peer; made by :func:`~quicmatrix.endpoint.quic.connect` and ``serve``.

    Args:
        connection: What it uses; not driven yet.
        sockets: A client's own sockets.
        ready: Called once when the handshake is complete.
    """

    def __init__(
        self,
        connection: Connection,
        sockets: ClientSockets | None = None,
        ready: Callable[[Session], None] | None = None,
    ) -> None:
        self.connection = connection
        """The connection itself, with all that this API leaves out."""
        self.alpn = ""
        """The application protocol, once the handshake is complete."""
        self.is_resumed = False
        """Whether the handshake resumed a TLS session."""
        self.early_data_accepted = False
        """Whether the server took 0-RTT data."""
        self.datagrams_dropped = 0
        """Datagrams that arrived while :data:`MOST_DATAGRAMS` others were waiting to be read."""
        self._sockets = sockets
        self._ready = ready
        self._driver: Driver | None = None
        self._is_complete = False
        self._streams: dict[int, Stream] = {}
        self._writers: list[Stream] = []
        self._accepted: deque[Stream] = deque()
        self._datagrams: deque[bytes] = deque()
        self._pings = itertools.count(1)
        self._pings_answered: set[int] = set()
        self._read_since = 0
        self._limit_step = max(connection.configuration.max_data // LIMITS_PER_WINDOW, 1)

    # --- Streams --------------------------------------------------------------------------------

    async def open_stream(self, *, is_unidirectional: bool = False) -> Stream:
        """A new stream of ours, as soon as the peer's limit allows one more.

        Raises:
            ConnectionClosed: The connection ended.
        """
        connection = self.connection
        self.check()
        await self._until(lambda: self._can_open(is_unidirectional))
        stream_id = connection.get_next_available_stream_id(is_unidirectional)
        connection.send_stream_data(stream_id, b"")  # takes the number; sends nothing
        stream = Stream(self, stream_id, can_read=not is_unidirectional, can_write=True)
        self._streams[stream_id] = stream
        return stream

    async def accept_stream(self) -> Stream:
        """The next stream that the peer opened.

        Raises:
            ConnectionClosed: The connection ended.
        """
        await self._until(lambda: bool(self._accepted))
        return self._accepted.popleft()

    async def streams(self) -> AsyncIterator[Stream]:
        """All streams that the peer opens, until the connection ends."""
        while True:
            try:
                stream = await self.accept_stream()
            except ConnectionClosed:
                return
            yield stream

    # --- Datagrams (RFC 9221) -------------------------------------------------------------------

    @property
    def largest_datagram(self) -> int:
        """Bytes that :meth:`send_datagram` takes now; 0 if the peer wants none."""
        return self.connection.largest_datagram_frame

    async def send_datagram(self, data: bytes) -> None:
        """Send a datagram, which may be lost; waits while too many have not been sent.

        Raises:
            DatagramTooLarge: It is larger than :attr:`largest_datagram`.
            ConnectionClosed: The connection ended.
        """
        self.check()
        waiting = self.connection._datagrams_pending  # noqa: SLF001
        await self._until(lambda: len(waiting) < MOST_DATAGRAMS)
        try:
            self.connection.send_datagram_frame(data)
        except ValueError as error:
            raise DatagramTooLarge(str(error)) from None
        self.act_soon()

    async def receive_datagram(self) -> bytes:
        """The next datagram that arrived; of unread ones only the first are kept.

        Raises:
            ConnectionClosed: The connection ended.
        """
        await self._until(lambda: bool(self._datagrams))
        return self._datagrams.popleft()

    # --- The connection -------------------------------------------------------------------------

    @property
    def peer_address(self) -> tuple[Any, ...]:
        """The peer's socket address, as the socket module has it."""
        return tuple(self.connection.peer_address or ())

    @property
    def local_address(self) -> tuple[str, int] | None:
        """A client's own address and port; a server's is that of its socket."""
        return None if self._sockets is None else self._sockets.local

    @property
    def statistics(self) -> Statistics:
        """What is known of the connection now."""
        return read_statistics(self._driven)

    async def wait_connected(self) -> None:
        """Wait until the handshake is complete (RFC 9001, 4.1.1).

        Raises:
            ConnectionClosed: The connection ended before.
        """
        await self._until(lambda: self._is_complete)

    async def wait_ready(self) -> None:
        """Wait until the handshake is confirmed (RFC 9001, 4.1.2).

        Raises:
            ConnectionClosed: The connection ended before.
        """
        await self._until(lambda: self.connection.is_confirmed)

    async def ping(self) -> None:
        """Send a PING and wait until it is acknowledged.

        Raises:
            ConnectionClosed: The connection ended.
        """
        number = next(self._pings)
        self.connection.send_ping(number)
        self.act_soon()
        await self._until(lambda: number in self._pings_answered)
        self._pings_answered.discard(number)

    async def update_keys(self) -> None:
        """Update the 1-RTT keys, and wait until the peer has followed (RFC 9001, 6.1).

        Raises:
            ConnectionClosed: The connection ended.
        """
        await self._until(lambda: self.connection.is_confirmed)
        before = self.connection.key_updates
        self.connection.request_key_update()
        while self.connection.key_updates == before:
            await self.ping()  # what is acknowledged permits the update, or is the first after it

    async def migrate(self, host: str = "", port: int = 0) -> None:
        """Client: go on from another local address; returns once the server has validated it.

        Args:
            host: Our new numeric address; any, if empty, so that only the port is a new one.
            port: Our new port; any, if 0.

        Raises:
            MigrationError: The connection could not move, and goes on where it was.
            ConnectionClosed: The connection ended.
            RuntimeError: A server cannot migrate.
        """
        if self._sockets is None:
            raise RuntimeError("only a client can migrate (RFC 9000, 9)")
        await self.wait_ready()
        await self._sockets.migrate(self._driven, host, port)
        await self.ping()

    async def flush(self) -> None:
        """Wait until the peer has acknowledged all that was written to streams.

        Raises:
            ConnectionClosed: The connection ended before.
        """
        streams = self.connection._streams  # noqa: SLF001
        await self._until(lambda: all(_is_flushed(stream.sender) for stream in streams.values()))

    def close(self, error_code: int = 0, reason: str = "") -> None:
        """End the connection at once, whatever is on its way. May be called again."""
        self._driven.close(error_code, reason)

    async def wait_closed(self) -> ConnectionClosed:
        """Wait until the connection is ending, and return how."""
        await self._driven.wait_until(lambda: False)
        assert self.connection.ending is not None
        return ConnectionClosed(self.connection.ending)

    # --- What streams need ----------------------------------------------------------------------

    def act_soon(self) -> None:
        """Send at the next iteration of the event loop."""
        self._driven.drive_soon()

    def was_read(self, stream_id: int, size: int) -> None:
        """Account for bytes that the application has taken."""
        held = self.connection.held
        left = held.pop(stream_id, 0) - size
        if left > 0:
            held[stream_id] = left
        self._read_since += size
        if self._read_since >= self._limit_step:
            self._read_since = 0
            self.act_soon()

    def check(self) -> None:
        """Raise ConnectionClosed if the connection is over."""
        ending = self.connection.ending
        if ending is not None:
            raise ConnectionClosed(ending)

    def wants_room(self, stream: Stream) -> None:
        """Wake the stream's writer once there is room."""
        self._writers.append(stream)
        self.act_soon()

    def done(self, stream: Stream) -> None:
        """Forget a stream on which nothing will happen any more."""
        self._streams.pop(stream.id, None)

    # --- What the driver calls ------------------------------------------------------------------

    def driven_by(self, driver: Driver) -> None:
        """The driver of our connection."""
        self._driver = driver

    def event_received(self, event: QuicEvent) -> None:
        """Take in what happened."""
        match event:
            case StreamDataReceived():
                self._data_received(event)
            case StreamReset():
                stream = self._stream(event.stream_id)
                if stream is not None:
                    self.was_read(event.stream_id, stream.was_reset(event.error_code))
            case StopSendingReceived() if event.stream_id in self._streams:
                self._streams[event.stream_id].was_stopped(event.error_code)
            case DatagramFrameReceived():
                if len(self._datagrams) < MOST_DATAGRAMS:
                    self._datagrams.append(event.data)
                else:
                    self.datagrams_dropped += 1
            case PingAcknowledged():
                self._pings_answered.add(event.uid)
            case HandshakeCompleted():
                self._is_complete = True
                self.alpn = event.alpn_protocol or ""
                self.is_resumed = event.session_resumed
                self.early_data_accepted = event.early_data_accepted
                if self._ready is not None:
                    self._ready(self)

    def pump(self) -> None:
        """Let writers go on that have room again."""
        if self._writers:
            self._writers = [stream for stream in self._writers if not stream.let_write()]

    def connection_ending(self) -> None:
        """Wake all readers and writers: the connection has ended."""
        for stream in list(self._streams.values()):
            stream.wake_all()
        self._writers.clear()

    def _data_received(self, event: StreamDataReceived) -> None:
        stream = self._stream(event.stream_id)
        if stream is None:
            return
        size = len(event.data)
        if size:
            held = self.connection.held
            held[event.stream_id] = held.get(event.stream_id, 0) + size
        stream.data_arrived(event.data, event.end_stream)

    @property
    def _driven(self) -> Driver:
        assert self._driver is not None, "a session is made by connect and serve"
        return self._driver

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.check()
            await self._driven.wait_until(holds)

    def _can_open(self, is_unidirectional: bool) -> bool:
        connection = self.connection
        if not is_unidirectional:
            return connection.can_open_stream
        used = connection.get_next_available_stream_id(is_unidirectional=True) // 4
        return used < connection._remote_max_streams_uni  # noqa: SLF001

    def _stream(self, stream_id: int) -> Stream | None:
        """The stream of an event: one that we know, or a new one of the peer's."""
        stream = self._streams.get(stream_id)
        if stream is not None or self._is_ours(stream_id):
            return stream
        if len(self._accepted) >= MOST_UNACCEPTED:
            self.connection.stop_stream(stream_id, 0)
            return None
        is_unidirectional = bool(stream_id & _UNIDIRECTIONAL)
        stream = Stream(self, stream_id, can_read=True, can_write=not is_unidirectional)
        self._streams[stream_id] = stream
        self._accepted.append(stream)
        return stream

    def _is_ours(self, stream_id: int) -> bool:
        is_of_client = not stream_id & _SERVER_INITIATED
        return is_of_client == self.connection.configuration.is_client


def _is_flushed(sender: QuicStreamSender) -> bool:
    is_empty = sender._buffer_start == sender._buffer_stop  # noqa: SLF001
    return is_empty and (sender._buffer_fin is None or sender.is_finished)  # noqa: SLF001
