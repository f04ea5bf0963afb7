"""The sockets of one client connection, and its move from one to another (RFC 9000, 9.2).

A client that migrates opens a second socket and probes the path from there with the connection
going on as it was. Only when the server has answered the PATH_CHALLENGE does the connection move;
the old socket stays for what is still on its way, and is closed.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from quicmatrix.endpoint.transport.sockets.driver import Driver
from quicmatrix.endpoint.transport.sockets.udp import (
    Address,
    LocalAddress,
    PathAddress,
    UdpSocket,
    UdpSockets,
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
        self._server = tuple(server)
        self._family = family
        self._udp = UdpSocket(_bound(family, host, port), knows_host=bool(host))
        self._all = UdpSockets([self._udp])
        self._left: dict[UdpSocket, asyncio.TimerHandle] = {}
        self.send = self._all.send

    @property
    def local(self) -> tuple[str, int]:
        """Our own address and port; the address is 0.0.0.0 or :: while the kernel chooses it."""
        return self._udp.host, self._udp.port

    @property
    def path(self) -> PathAddress:
        """Both ends."""
        return self._path(self._udp.local)

    def start(self, driver: Driver) -> None:
        """Begin the handshake."""
        self._udp.start(driver.received, driver.drive)
        driver.connection.connect(self.path, now=asyncio.get_running_loop().time())
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
        try:
            udp = self._another(host, port)
        except OSError as error:
            raise MigrationError(f"cannot use {host or 'any address'}: {error.strerror}") from None
        self._all.add(udp)
        udp.start(driver.received, driver.drive)
        path = self._path(udp.local)
        try:
            await self._move(driver, path)
        except BaseException:
            driver.connection.give_up_probe(path)
            self._all.leave(udp, self._udp)
            raise
        left, self._udp = self._udp, udp
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

    def _another(self, host: str, port: int) -> UdpSocket:
        """A socket at a port that none of ours has, since the port identifies the path."""
        taken = {self._udp.port, *(udp.port for udp in self._left)}
        refused: list[socket.socket] = []
        try:
            while (found := _bound(self._family, host, port)).getsockname()[1] in taken:
                refused.append(found)
                if port:
                    raise OSError(0, f"port {port} is our own one")
        finally:
            for udp in refused:
                udp.close()
        return UdpSocket(found, knows_host=bool(host))

    def _leave(self, udp: UdpSocket) -> None:
        del self._left[udp]
        self._all.leave(udp, self._udp)

    def _path(self, local: LocalAddress) -> PathAddress:
        return PathAddress(self._server, local)
