"""How connections begin: ``connect`` for a client, ``serve`` for a server."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicErrorCode, QuicProtocolVersion
from aioquic.quic.retry import QuicRetryTokenHandler
from aioquic.tls import SessionTicket

from quicmatrix.endpoint.quic.errors import ConnectionClosed
from quicmatrix.endpoint.quic.session import Session
from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.recovery import INITIAL_RTT_S
from quicmatrix.endpoint.transport.sockets.client_sockets import ClientSockets
from quicmatrix.endpoint.transport.sockets.driver import Driver
from quicmatrix.endpoint.transport.sockets.listener import Listener, Origin
from quicmatrix.endpoint.transport.sockets.udp import Address, UdpSocket, bound_socket, route_size
from quicmatrix.endpoint.transport.streams.windows import INITIAL_WINDOW

IDLE_TIMEOUT_S = 30.0
LARGEST_DATAGRAM_FRAME = 65535

Handler = Callable[[Session], Awaitable[None]]


def client_settings(*, alpn: Sequence[str], ca_file: str | Path | None = None) -> QuicConfiguration:
    """A client's settings, to be changed and given to :func:`connect`.

    Args:
        alpn: Application protocols, the preferred one first.
        ca_file: PEM file of the root certificates; the ones that come with certifi if not given.
    """
    settings = _settings(alpn, is_client=True)
    if ca_file is not None:
        settings.load_verify_locations(cafile=str(ca_file))
    return settings


def server_settings(
    *, alpn: Sequence[str], certificate_file: str | Path, key_file: str | Path
) -> QuicConfiguration:
    """A server's settings, to be changed and given to :func:`serve`.

    Args:
        alpn: Application protocols, the preferred one first.
        certificate_file: PEM file of the certificate chain, the server's own first.
        key_file: PEM file of its private key.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is not what it should be.
    """
    settings = _settings(alpn, is_client=False)
    settings.load_cert_chain(Path(certificate_file), Path(key_file))
    return settings


@asynccontextmanager
async def connect(
    host: str,
    port: int,
    settings: QuicConfiguration,
    *,
    local_host: str = "",
    local_port: int = 0,
    ticket_handler: Callable[[SessionTicket], None] | None = None,
    token_handler: Callable[[bytes], None] | None = None,
    connection_type: type[Connection] = Connection,
) -> AsyncIterator[Session]:
    """A connection to a server, for as long as the ``async with`` lasts.

    Leaving it waits until all that was written has been acknowledged, and closes the connection
    with error code 0; an exception closes it at once. The socket stays open for the closing
    period (RFC 9000, 10.2), without anybody waiting for it.

    Args:
        host: The server's name, whose first address is used, or its address. Its certificate must
            be for ``settings.server_name``, or, if that is not set, for this.
        port: The server's.
        settings: See :func:`client_settings`; not changed.
        local_host: Our own numeric address; any, if empty.
        local_port: Our own port; any, if 0.
        ticket_handler: Is given session tickets; one of them goes into
            ``settings.session_ticket`` of a later connection.
        token_handler: Is given tokens; one of them goes into ``settings.token`` of a later one.
        connection_type: A variant of the connection.

    Raises:
        OSError: The name has no address, or ``local_host`` is not ours.
        ConnectionClosed: The handshake failed, or no answer within ``settings.idle_timeout``.
    """
    family, server = await _resolve(host, port)
    settings = dataclasses.replace(settings, server_name=settings.server_name or host)
    connection = connection_type(
        configuration=settings,
        session_ticket_handler=ticket_handler,
        token_handler=token_handler,
    )
    connection.route_size = route_size
    sockets = ClientSockets(server, family, local_host, local_port)
    session = Session(connection, sockets)
    driver = Driver(connection, session, sockets.send)
    lingering = asyncio.create_task(_close_at_the_end(driver, sockets))
    try:
        sockets.start(driver)
        await session.wait_connected()
        yield session
        with suppress(ConnectionClosed):
            await session.flush()
    finally:
        if not connection.is_ending:
            driver.close(0)
        if lingering.done():
            await lingering


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server that is running."""

    host: str
    port: int
    sessions: frozenset[Session] | set[Session]
    """Those whose handshake is complete, and whose handler has not returned."""


@asynccontextmanager
async def serve(
    handler: Handler,
    host: str,
    port: int,
    settings: QuicConfiguration,
    *,
    uses_retry: bool = False,
    connection_type: type[Connection] = Connection,
) -> AsyncIterator[Server]:
    """A server, for as long as the ``async with`` lasts.

    Leaving it cancels all handlers and closes all connections at once.

    Args:
        handler: Called for each connection once its handshake is complete. When it returns, what
            it wrote is delivered, and the connection is closed with error code 0; when it raises,
            the connection is closed with INTERNAL_ERROR, and the traceback is logged.
        host: Numeric address to listen on; ``::`` takes IPv4 as well.
        port: UDP port; any, if 0.
        settings: See :func:`server_settings`.
        uses_retry: Whether clients must prove their address first (RFC 9000, 8.1.2).
        connection_type: A variant of the connection.

    Raises:
        OSError: The address is not ours, or the port is in use.
    """
    udp = UdpSocket(bound_socket(host, port))
    sessions: set[Session] = set()
    tickets = TicketStore()
    tasks: set[asyncio.Task[None]] = set()

    def accept(origin: Origin) -> tuple[Connection, Session]:
        connection = connection_type(
            configuration=settings,
            original_destination_connection_id=origin.original_destination,
            retry_source_connection_id=origin.retry_source,
            session_ticket_fetcher=tickets.take,
            session_ticket_handler=tickets.add,
        )
        connection.route_size = route_size
        return connection, Session(connection, ready=begin)

    def begin(session: Session) -> None:
        # No TaskGroup: it would wrap what the body of the `async with` raises. Handlers' own
        # exceptions end in _handle.
        task = asyncio.create_task(_handle(handler, session, sessions))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = Listener(settings, accept, udp.send, QuicRetryTokenHandler() if uses_retry else None)
    udp.start(listener.received, listener.drained)
    try:
        yield Server(udp.host, udp.port, sessions)
    finally:
        listener.close(0)
        cancelled = list(tasks)
        for task in cancelled:
            task.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)
        udp.close()


async def _handle(handler: Handler, session: Session, sessions: set[Session]) -> None:
    """Run the handler of one session; whatever it raises, the others go on."""
    sessions.add(session)
    try:
        await handler(session)
        await session.flush()
    except ConnectionClosed:
        pass
    except Exception:
        logging.getLogger("quicmatrix.endpoint").exception("a handler failed")
        session.connection.close(
            error_code=QuicErrorCode.INTERNAL_ERROR, frame_type=0, reason_phrase="handler failed"
        )
        session.act_soon()
    finally:
        sessions.discard(session)
        if not session.connection.is_ending:
            session.close(0)


async def _resolve(host: str, port: int) -> tuple[int, Address]:
    try:
        # A numeric address needs no thread, which takes longer than a part of the handshake.
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = found[0]
    return family, cast("Address", address)  # no Bluetooth


async def _close_at_the_end(driver: Driver, sockets: ClientSockets) -> None:
    """Keep the sockets for the closing period, or until the event loop ends and cancels this."""
    try:
        await driver.wait_ended()
    finally:
        driver.stop()
        sockets.close()


def _settings(alpn: Sequence[str], *, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=list(alpn),
        idle_timeout=IDLE_TIMEOUT_S,
        initial_rtt=INITIAL_RTT_S,
        max_data=INITIAL_WINDOW,
        max_datagram_frame_size=LARGEST_DATAGRAM_FRAME,
        max_stream_data=INITIAL_WINDOW,
        supported_versions=[
            int(QuicProtocolVersion.VERSION_1),
            int(QuicProtocolVersion.VERSION_2),
        ],
    )
