"""What the server does in each test case: it serves /www until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
from collections.abc import Callable

from aioquic.quic.retry import QuicRetryTokenHandler

from quicmatrix.endpoint.contract import Contract, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.files import WebRoot
from quicmatrix.endpoint.http.application import ServerSide
from quicmatrix.endpoint.http.hq import HqServer
from quicmatrix.endpoint.http.serve import Serve
from quicmatrix.endpoint.logs import open_logs
from quicmatrix.endpoint.settings import server_settings
from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.interfaces import both_families
from quicmatrix.endpoint.transport.sockets.listener import Listener, Origin
from quicmatrix.endpoint.transport.sockets.udp import (
    Address,
    PathAddress,
    UdpSocket,
    UdpSockets,
    bound_socket,
)

PREFERRED_PORT_OFFSET = 4000


async def run_server(contract: Contract, connection_type: type[Connection]) -> None:
    """Serve until SIGTERM or SIGINT, then close all connections and return.

    Raises:
        EndpointError: It could not be started.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with open_logs(contract) as logs:
        settings = server_settings(contract, logs)
        root = WebRoot(contract.www)
        tickets = TicketStore()
        new_side, no_error = _side(contract.testcase)

        def accept(origin: Origin) -> tuple[Connection, Serve]:
            connection = connection_type(
                configuration=settings,
                original_destination_connection_id=origin.original_destination,
                retry_source_connection_id=origin.retry_source,
                session_ticket_fetcher=tickets.take,
                session_ticket_handler=tickets.add,
            )
            return connection, Serve(connection, new_side(connection), root)

        udp = UdpSocket(_listening_socket(contract, contract.port))
        sockets = UdpSockets([udp])
        preferred = None
        if contract.testcase is TestCase.CONNECTIONMIGRATION:
            other = UdpSocket(_listening_socket(contract, preferred_port(contract.port)))
            sockets.add(other)
            preferred = functools.partial(_preferred_addresses, port=other.port)
        retry = QuicRetryTokenHandler() if contract.testcase is TestCase.RETRY else None
        listener = Listener(settings, accept, sockets.send, retry, preferred)
        try:
            sockets.start(listener.received, listener.drained)
            await stopped.wait()
            listener.close(no_error)
        finally:
            sockets.close()


def _side(testcase: TestCase) -> tuple[Callable[[Connection], ServerSide], int]:
    if testcase is TestCase.HTTP3:
        from quicmatrix.endpoint.http.h3 import H3Server  # noqa: PLC0415 - QPACK, only if needed

        return H3Server, H3Server.no_error
    return HqServer, HqServer.no_error


def preferred_port(port: int) -> int:
    """The port that clients are asked to move to: 4443 for 443."""
    return port + PREFERRED_PORT_OFFSET if port + PREFERRED_PORT_OFFSET < 1 << 16 else port - 1


def _preferred_addresses(
    address: Address, *, port: int
) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """The addresses of the interface that a client came by, at another port."""
    if not isinstance(address, PathAddress) or not address.local.host:
        return None, None
    ipv4, ipv6 = both_families(address.local.host)
    return (ipv4, port) if ipv4 else None, (ipv6, port) if ipv6 else None


def _listening_socket(contract: Contract, port: int) -> socket.socket:
    try:
        return bound_socket(contract.host, port)
    except OSError as error:
        where = f"host={contract.host} port={port}"
        raise EndpointError(f"cannot listen on {where}: {error.strerror}") from None
