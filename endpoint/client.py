"""What the client does in each test case.

Most download all files over one connection at the same time. ``multiconnect`` takes a connection
for each file, ``resumption`` and ``zerortt`` take a second one for all but the first file, and
``keyupdate`` updates the keys as soon as it may. ``versionnegotiation`` downloads nothing: it is
done when the server has said which versions it speaks. With the parameter ``migrate`` each
connection moves to another address of ours, once its handshake is confirmed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import SessionTicket

from quicmatrix.endpoint.contract import Contract, Request, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.files import Downloads
from quicmatrix.endpoint.http.application import ClientSide
from quicmatrix.endpoint.http.fetch import Fetch
from quicmatrix.endpoint.http.hq import HqClient
from quicmatrix.endpoint.logs import open_logs
from quicmatrix.endpoint.settings import client_settings
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.client_sockets import ClientSockets, MigrationError
from quicmatrix.endpoint.transport.sockets.driver import Driver
from quicmatrix.endpoint.transport.sockets.udp import Address, resolve

KEEP_ALIVE_S = 0.3
"""Silence after which a client that waits for data shows the server where it is."""
PATIENCE_S = 5.0
"""How long to wait, with all files there, for a session ticket or the handshake's confirmation."""
NEGOTIATION_PATIENCE_S = 20.0
"""How long to go on sending Initials of an unknown version."""
FAILURES_NAMED = 3


async def run_client(contract: Contract, connection_type: type[Connection]) -> None:
    """Download all requested files.

    Raises:
        EndpointError: At least one of them is not complete.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with open_logs(contract) as logs, ExitStack() as stack:
        client = Client(contract, client_settings(contract, logs), connection_type, stack)
        try:
            await client.run()
        except asyncio.CancelledError:
            raise EndpointError("stopped by a signal before all files were complete") from None


class Client:
    """A client that knows its server.

    Args:
        contract: What to do.
        settings: For each connection.
        connection_type: Our connection, or a test's variant of it.
        stack: Ends what is left of connections.

    Raises:
        EndpointError: The server's name has no address.
    """

    def __init__(
        self,
        contract: Contract,
        settings: QuicConfiguration,
        connection_type: type[Connection],
        stack: ExitStack,
    ) -> None:
        self._contract = contract
        self._settings = settings
        self._connection_type = connection_type
        self._stack = stack
        self._downloads = Downloads(contract.downloads)
        self._tokens: list[bytes] = []
        """Of NEW_TOKEN frames; each is used once (RFC 9000, 8.1.3)."""
        self._family, self._server = _resolve(contract.requests[0])

    async def run(self) -> None:
        """Do what the test case asks.

        Raises:
            EndpointError: At least one file is not complete.
        """
        requests = self._contract.requests
        match self._contract.testcase:
            case TestCase.MULTICONNECT:
                for request in requests:
                    await self.fetch([request])
            case TestCase.RESUMPTION:
                ticket = await self.fetch(requests[:1], wants_ticket=True)
                assert ticket is not None
                # Without early data: this test is about the handshake alone.
                ticket = dataclasses.replace(ticket, max_early_data_size=None)
                await self.fetch(requests[1:], ticket)
            case TestCase.ZERORTT:
                ticket = await self.fetch(requests[:1], wants_ticket=True)
                await self.fetch(requests[1:], ticket)
            case TestCase.KEYUPDATE:
                await self.fetch(requests, updates_keys=True)
            case TestCase.VERSIONNEGOTIATION:
                await self.negotiate_version()
            case _:
                await self.fetch(requests)

    async def negotiate_version(self) -> None:
        """Send Initials of a reserved version until Version Negotiation lists the server's.

        Raises:
            EndpointError: No valid Version Negotiation packet arrived.
        """
        connection = self._connection_type(configuration=self._settings)
        fetch = Fetch(connection, HqClient(connection), (), self._downloads)
        driver, _ = self._connect(connection, fetch)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(NEGOTIATION_PATIENCE_S):
                    await driver.wait_until(lambda: bool(connection.versions_offered))
        finally:
            driver.close(HqClient.no_error)
            connection.end_trace()
        if not connection.versions_offered:
            raise EndpointError("the server sent no Version Negotiation packet")

    async def fetch(
        self,
        requests: Sequence[Request],
        ticket: SessionTicket | None = None,
        *,
        wants_ticket: bool = False,
        updates_keys: bool = False,
    ) -> SessionTicket | None:
        """Download files over a new connection.

        Returns:
            The last session ticket of the connection, if one was wanted.

        Raises:
            EndpointError: A file is not complete, or no ticket came.
        """
        tickets: list[SessionTicket] = []
        connection = self._connection_type(
            configuration=dataclasses.replace(
                self._settings,
                session_ticket=ticket,
                token=self._tokens.pop() if self._tokens else b"",
            ),
            session_ticket_handler=tickets.append if wants_ticket else None,
            token_handler=self._tokens.append,
        )
        connection.keep_alive_after = KEEP_ALIVE_S
        side = self._side(connection)
        fetch = Fetch(connection, side, requests, self._downloads)
        driver, sockets = self._connect(connection, fetch)
        try:
            if updates_keys:
                await _update_keys(driver)
            if self._contract.migrate is not None:
                await _migrate(driver, sockets, self._contract.migrate)
            await driver.wait_until(lambda: fetch.is_finished)
            _check(connection, fetch)
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await driver.wait_until(
                        lambda: connection.is_confirmed and bool(tickets or not wants_ticket)
                    )
        finally:
            fetch.close()
            driver.close(side.no_error)
            connection.end_trace()
        if wants_ticket and not tickets:
            raise EndpointError("the server sent no session ticket")
        return tickets[-1] if tickets else None

    def _side(self, connection: Connection) -> ClientSide:
        if self._contract.testcase is TestCase.HTTP3:
            from quicmatrix.endpoint.http.h3 import H3Client  # noqa: PLC0415 - QPACK, only if needed

            return H3Client(connection)
        return HqClient(connection)

    def _connect(self, connection: Connection, fetch: Fetch) -> tuple[Driver, ClientSockets]:
        """Begin the handshake, on a socket of its own.

        After its end the connection keeps its socket for the closing period, if the client lives
        that long: late packets are answered, and a lost CONNECTION_CLOSE is repeated.
        """
        sockets = ClientSockets(self._server, self._family)
        driver = Driver(connection, fetch, sockets.send, _AtTheEnd(sockets.close))
        self._stack.callback(sockets.close)
        self._stack.callback(driver.stop)
        sockets.start(driver)
        return driver, sockets


class _AtTheEnd:
    """Closes a connection's socket when it ends; with one socket each, IDs do not matter."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def issued(self, connection_id: bytes) -> None:
        pass

    def retired(self, connection_id: bytes) -> None:
        pass

    def ended(self) -> None:
        self._close()


async def _update_keys(driver: Driver) -> None:
    """Update the keys as soon as RFC 9001, 6.1, lets us, and send a packet with the new ones."""
    connection = driver.connection
    await driver.wait_until(lambda: connection.is_confirmed and connection.is_acknowledged)
    connection.request_key_update()
    connection.send_ping(uid=0)
    driver.drive()


async def _migrate(driver: Driver, sockets: ClientSockets, host: str) -> None:
    """Move to another address of ours as soon as the handshake is confirmed."""
    await driver.wait_until(lambda: driver.connection.is_confirmed)
    try:
        await sockets.migrate(driver, host)
    except MigrationError as error:
        raise EndpointError(f"cannot migrate to {host}: {error}") from None


def _check(connection: Connection, fetch: Fetch) -> None:
    ending = connection.ending
    problems = fetch.failures[:FAILURES_NAMED]
    if len(fetch.failures) > FAILURES_NAMED:
        problems.append(f"and {len(fetch.failures) - FAILURES_NAMED} more")
    if not fetch.is_finished:
        reason = "" if ending is None else _describe(ending)
        problems.append(f"{fetch.unanswered} files incomplete: the connection ended{reason}")
    if problems:
        raise EndpointError("; ".join(problems))


def _describe(ending: ConnectionTerminated) -> str:
    code, phrase = ending.error_code, ending.reason_phrase
    if ending.frame_type is None:
        text = f" with application error {code:#x}"
    else:
        name = next((f" {known.name}" for known in QuicErrorCode if known == code), "")
        text = f" with error {code:#x}{name}"
    return text + (f" ({phrase})" if phrase else "")


def _resolve(request: Request) -> tuple[int, Address]:
    try:
        return resolve(request.host, request.port)
    except OSError as error:
        raise EndpointError(f"REQUESTS: no address for {request.host}: {error.strerror}") from None
