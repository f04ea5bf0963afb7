"""The sockets of one client connection, and its move from one to another (RFC 9000, 9.2).

A client that migrates opens a second socket and probes the path from there with the connection
going on as it was. Only when the server has answered the PATH_CHALLENGE does the connection move;
the old socket stays for what is still on its way, and is closed.

A preferred address of the other address family needs a second socket too (RFC 9000, 9.6.1).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.driver import Driver
from quicmatrix.endpoint.transport.sockets.udp import (
    Address,
    PathAddress,
    UdpSocket,
    UdpSockets,
    route_size,
)
from quicmatrix.endpoint.transport.sockets.udp import client_socket as _bound

MOST_PROBES = 3
"""PATH_CHALLENGE frames that are sent, one after the other, before a path is given up."""
LEAST_PATIENCE_S = 0.1
"""How long to wait for the answer to each at least: the new path's round trip is not known."""
STRAGGLERS_PTO = 3
"""Probe timeouts for which a socket that was left stays open (RFC 9000, 9.3, names no time)."""


class MigrationError(OSError):
    """Migration failed; the connection continues on its old path."""


class ClientSockets:
    """The sockets of one client connection.

    Args:
        server: The server's address.
        family: Of that address.
        host: Our own, numeric; any, if empty.
        port: Our own; any, if 0.

    Raises:
        OSError: ``host`` is not ours, or the port is in use.
    """

    def __init__(self, server: Address, family: int, host: str = "", port: int = 0) -> None:
        self._udp = UdpSocket(_bound(family, host, port), knows_host=bool(host))
        self._all = UdpSockets([self._udp])
        self._left: dict[UdpSocket, asyncio.TimerHandle] = {}
        self._path: Address = PathAddress(tuple(server), self._udp.local)
        self._connection: Connection | None = None
        self.send = self._all.send

    @property
    def local(self) -> tuple[str, int]:
        """Our own address and port; the address is 0.0.0.0 or :: while the kernel chooses it."""
        udp = self._all.of_path(self.path)
        return udp.host, udp.port

    @property
    def path(self) -> Address:
        """The path that the connection is on."""
        current = None if self._connection is None else self._connection.peer_address
        return current or self._path

    def start(self, driver: Driver) -> None:
        """Begin the handshake."""
        self._udp.start(driver.received, driver.drained)
        self._connection = driver.connection
        self._connection.open_path = partial(self._open_path, driver)
        self._connection.connect(self._path, now=asyncio.get_running_loop().time())
        driver.drive()

    async def migrate(self, driver: Driver, host: str = "", port: int = 0) -> None:
        """Go on from another address.

        Args:
            driver: Of the connection.
            host: Our new address, numeric; any, if empty: then only the port is a new one.
            port: Our new port; any, if 0.

        Raises:
            MigrationError: The address is not ours, the handshake is not confirmed, the server
                gave us no further connection ID, does not want us to move, or did not answer.
        """
        before = self.path
        try:
            path = self._path_from_another(driver, before, host, port)
        except OSError as error:
            raise MigrationError(f"cannot use {host or 'any address'}: {error.strerror}") from None
        try:
            await self._move(driver, path)
        except BaseException:
            driver.connection.give_up_probe(path)
            self._all.leave(self._all.of_path(path), self._all.of_path(before))
            raise
        left = self._all.of_path(before)
        patience = STRAGGLERS_PTO * driver.connection.probe_timeout
        loop = asyncio.get_running_loop()
        self._left[left] = loop.call_later(patience, self._leave, left)

    def close(self) -> None:
        """Close all sockets. May be called again."""
        for timer in self._left.values():
            timer.cancel()
        self._left.clear()
        self._all.close()

    async def _move(self, driver: Driver, path: PathAddress) -> None:
        connection = driver.connection
        if not connection.allows_migration:
            raise MigrationError("the server does not allow it (disable_active_migration)")
        for _ in range(MOST_PROBES):
            if not connection.probe(path):
                raise MigrationError("the handshake is not confirmed, or no connection ID is left")
            driver.drive()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(connection.probe_timeout, LEAST_PATIENCE_S)):
                    await driver.wait_until(lambda: connection.peer_address is path)
            if connection.is_ending:
                raise MigrationError("the connection is ending")
            if connection.peer_address is path:
                # The server follows the first packet that is no probe (RFC 9000, 9.3).
                connection.send_ping(uid=0)
                driver.drive()
                return
        raise MigrationError(f"no answer on the path from {path.local}")

    def _open_path(self, driver: Driver, server: tuple[str, int]) -> PathAddress | None:
        """A path to a server's address from a socket of its family; None without a route."""
        if not route_size(server):
            return None
        peer = (*server, 0, 0) if ":" in server[0] else server
        with suppress(OSError):
            return self._path_from_another(driver, peer)
        return None

    def _path_from_another(
        self, driver: Driver, peer: Address, host: str = "", port: int = 0
    ) -> PathAddress:
        """A path from a new socket, which takes in datagrams from now on."""
        udp = UdpSocket(self._unused_port(peer, host, port), knows_host=bool(host))
        self._all.add(udp)
        udp.start(driver.received, driver.drained)
        return PathAddress(tuple(peer), udp.local)

    def _unused_port(self, peer: Address, host: str, port: int) -> socket.socket:
        """A socket at a port that none of ours has, since the port identifies the path."""
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        refused: list[socket.socket] = []
        try:
            while self._all.has_port((found := _bound(family, host, port)).getsockname()[1]):
                refused.append(found)
                if port:
                    raise OSError(0, f"port {port} is our own one")
        finally:
            for udp in refused:
                udp.close()
        return found

    def _leave(self, udp: UdpSocket) -> None:
        del self._left[udp]
        self._all.leave(udp, self._all.of_path(self.path))
