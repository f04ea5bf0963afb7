"""Drives one connection: delivers events, sends datagrams, and keeps its timer.

A bug, be it here or in aioquic, ends the connection it shows up in and no other: with a traceback
in the log and an INTERNAL_ERROR for the peer (RFC 9000, 20.1), so that neither side hangs.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.release import release
from quicmatrix.endpoint.transport.sockets.udp import Address, Send


class Application(Protocol):
    """The protocol above QUIC. It does no network I/O and never blocks."""

    def event_received(self, event: QuicEvent) -> None:
        """Handle an event."""

    def pump(self) -> None:
        """Write to streams as flow control allows; called before each send."""


class Driven(ABC):
    """An application that also acts between events, and therefore knows its driver."""

    @abstractmethod
    def driven_by(self, driver: Driver) -> None:
        """Set the driver; after each action the application calls :meth:`Driver.drive_soon`."""

    @abstractmethod
    def connection_ending(self) -> None:
        """The connection is closing or draining; may be called more than once."""


class Observer(Protocol):
    """Maps connection IDs to connections."""

    def issued(self, connection_id: bytes) -> None:
        """The peer may use this connection ID from now on."""

    def retired(self, connection_id: bytes) -> None:
        """The peer will not use this connection ID any more."""

    def ended(self) -> None:
        """The connection is over, and any closing or draining period too."""


class Driver:
    """Runs a connection in the event loop.

    Args:
        connection: The connection to run.
        application: The protocol above it.
        send: Sends datagrams.
        observer: Is notified of its connection IDs and its end.
    """

    def __init__(
        self,
        connection: Connection,
        application: Application,
        send: Send,
        observer: Observer | None = None,
    ) -> None:
        self.connection = connection
        self.terminated: ConnectionTerminated | None = None
        """How the connection ended, once it has."""
        self.bytes_sent = 0
        """In datagrams, without the headers of UDP and IP."""
        self.bytes_received = 0
        """In datagrams, damaged ones and duplicates among them."""
        self._application: Application = application
        self._send = send
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._ended = asyncio.Event()
        self._driven = application if isinstance(application, Driven) else None
        if self._driven is not None:
            self._driven.driven_by(self)

    def received(self, data: bytes, address: Address, codepoint: int = 0) -> None:
        """Take in a datagram and its ECN field; :meth:`drained` must follow."""
        self.bytes_received += len(data)
        try:
            self.connection.codepoint_received = codepoint
            self.connection.receive_datagram(data, address, now=self._loop.time())
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            self._fail(error)

    def drained(self) -> None:
        """After a batch of datagrams: deliver events, and send.

        What the tasks of a :class:`Driven` application do about the events is sent with the rest.
        """
        if self._driven is not None:
            try:
                self._advance_application()
            except Exception as error:  # noqa: BLE001 - see the module's docstring
                self._fail(error)
            self._wake_up()
            self.drive_soon()
        else:
            self.drive()

    def drive_soon(self) -> None:
        """Have :meth:`drive` called once the tasks that are ready have run."""
        if self._soon is None:
            self._soon = self._loop.call_soon(self.drive)

    def drive(self) -> None:
        """Let the application and the connection do all that they can do now."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        try:
            self._advance()
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            self._fail(error)
            with suppress(Exception):
                self._advance()
        self._set_timer()
        self._wake_up()

    def close(self, error_code: int, reason: str = "") -> None:
        """Send the application's CONNECTION_CLOSE (RFC 9000, 10.2)."""
        self.connection.close(error_code=error_code, reason_phrase=reason)
        self.drive()

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, or the connection is ending."""
        if holds() or self.connection.is_ending:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((holds, future))
        await future

    async def wait_ended(self) -> None:
        """Wait until the connection is over, and its closing or draining period too."""
        await self._ended.wait()

    def _advance(self) -> None:
        self._advance_application()
        datagrams = self.connection.datagrams_to_send(now=self._loop.time())
        if datagrams:
            self.bytes_sent += sum([len(datagram) for datagram, _ in datagrams])
            self._send(datagrams, self.connection.codepoint_to_send)
        self._deliver_events()  # sending issues connection IDs
        if self.terminated is not None:
            self._release()

    def _advance_application(self) -> None:
        self._deliver_events()
        if not self.connection.is_ending:
            self._application.pump()

    def _release(self) -> None:
        """Drop the references to the application and free the connection's memory."""
        if self._driven is not None:
            self._driven.connection_ending()
        self._application = _NoApplication()
        self._driven = self._observer = None
        release(self.connection)

    def _fail(self, error: Exception) -> None:
        logging.getLogger("quicmatrix.endpoint").error("a connection failed", exc_info=error)
        self.connection.close(
            error_code=QuicErrorCode.INTERNAL_ERROR, frame_type=QuicFrameType.PADDING
        )

    def _deliver_events(self) -> None:
        while (event := self.connection.next_event()) is not None:
            match event:
                case StreamDataReceived():
                    pass  # one for each packet of a download
                case ConnectionIdIssued() if self._observer is not None:
                    self._observer.issued(event.connection_id)
                case ConnectionIdRetired() if self._observer is not None:
                    self._observer.retired(event.connection_id)
                case ConnectionTerminated():
                    self.terminated = event
                    self._ended.set()
                    if self._observer is not None:
                        self._observer.ended()
            self._application.event_received(event)

    def _set_timer(self) -> None:
        due = self.connection.get_timer()
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._timer_fired, due)

    def _timer_fired(self, due: float) -> None:
        self._timer = None
        # The loop may be early by its clock's resolution.
        self.connection.handle_timer(now=max(due, self._loop.time()))
        self.drive()

    def _wake_up(self) -> None:
        if self._driven is not None and self.connection.is_ending:
            self._driven.connection_ending()
        if not self._waiting:
            return
        is_ending = self.connection.is_ending
        still_waiting = []
        for holds, future in self._waiting:
            if future.done():
                continue
            if is_ending or holds():
                future.set_result(None)
            else:
                still_waiting.append((holds, future))
        self._waiting = still_waiting


class _NoApplication:
    """The application of a connection that has ended."""

    def event_received(self, event: QuicEvent) -> None:
        pass

    def pump(self) -> None:
        pass
