"""Active migration over real sockets: 127.0.0.1 to 127.0.0.2, with everything going on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quicmatrix.endpoint.quic import (
    MigrationError,
    Server,
    Session,
    client_settings,
    connect,
    serve,
    server_settings,
)
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.crypto.transport_parameters import DISABLE_ACTIVE_MIGRATION
from quicmatrix.endpoint.transport.paths.stateless_reset import ResetKey
from quicmatrix.endpoint.transport.sockets import client_sockets
from quicmatrix.endpoint.transport.sockets.client_sockets import MOST_PROBES
from quicmatrix.endpoint.transport.sockets.udp import Address, PathAddress, UdpSocket

SIZE = 8_000_000


async def answer(session: Session) -> None:
    """Send as many bytes as are asked for, on each stream."""
    async for stream in session.streams():
        await stream.write(bytes(int(await stream.read_all())), end=True)


@asynccontextmanager
async def pair(
    certs: Path,
    host: str = "127.0.0.1",
    *,
    listens_on: str = "",
    server_type: type[Connection] = Connection,
) -> AsyncIterator[tuple[Session, Server]]:
    settings = server_settings(
        alpn=["test"], certificate_file=certs / "cert.pem", key_file=certs / "priv.key"
    )
    async with (
        asyncio.timeout(20),
        serve(answer, listens_on or host, 0, settings, connection_type=server_type) as server,
        connect(host, server.port, client_settings(alpn=["test"], ca_file=certs / "ca.pem")) as at,
    ):
        await at.wait_ready()
        yield at, server


def test_a_transfer_survives_a_move_to_another_address(certs: Path) -> None:
    async def story() -> None:
        async with pair(certs) as (client, server):
            (there,) = server.sessions
            old_port = client.local_address
            old_connection_id = client.connection._peer_cid.cid
            stream = await client.open_stream()
            await stream.write(str(SIZE).encode(), end=True)
            received = len(await stream.read())
            await client.migrate("127.0.0.2")
            assert client.local_address != old_port
            assert there.peer_address == client.local_address
            assert client.local_address[0] == "127.0.0.2"
            assert there.connection._network_paths[0].is_validated
            assert client.connection._peer_cid.cid != old_connection_id
            received += len(await stream.read_all())
            assert received == SIZE

    asyncio.run(story())


def test_the_old_socket_is_closed(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        closed = asyncio.Event()
        left = []

        def close(udp: UdpSocket) -> None:
            left.append(udp.host)
            plain_close(udp)
            closed.set()

        plain_close = UdpSocket.close
        async with pair(certs) as (client, _):
            monkeypatch.setattr(UdpSocket, "close", close)
            await client.migrate("127.0.0.2")
            assert not left, "what is on its way to it still arrives"
            await closed.wait()
            assert left == ["0.0.0.0"]
            await client.ping()

    asyncio.run(story())


def test_a_new_port_alone_is_a_move_too(certs: Path) -> None:
    async def story() -> None:
        async with pair(certs, "::1") as (client, server):
            (there,) = server.sessions
            before = client.connection._loss._cc
            for _ in range(3):
                await client.migrate()
            assert client.local_address is not None
            assert there.peer_address[:2] == ("::1", client.local_address[1])
            assert client.connection._loss._cc is before, "the path is the same otherwise"

    asyncio.run(story())


def test_a_path_that_does_not_work_is_given_up(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with pair(certs) as (client, _):
            lost: list[bytes] = []
            send = UdpSocket.send

            def send_unless_new(
                udp: UdpSocket, datagrams: list[tuple[bytes, Address]], codepoint: int = 0
            ) -> None:
                if udp.host == "127.0.0.2":
                    lost.extend(datagram for datagram, _ in datagrams)
                else:
                    send(udp, datagrams, codepoint)

            await client.ping()
            monkeypatch.setattr(UdpSocket, "send", send_unless_new)
            home = client.local_address
            for _ in range(2):
                with pytest.raises(MigrationError, match="no answer"):
                    await client.migrate("127.0.0.2")
            assert len(lost) == 2 * MOST_PROBES, "nothing but probes goes there"
            assert len(client.connection._network_paths) == 1
            assert client.local_address == home
            await client.ping()

    asyncio.run(story())


def test_a_lost_probe_is_repeated(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with pair(certs) as (client, _):
            lost: list[object] = []
            send = UdpSocket.send

            def send_but_the_first(
                udp: UdpSocket, datagrams: list[tuple[bytes, Address]], codepoint: int = 0
            ) -> None:
                if udp.host == "127.0.0.2" and not lost:
                    lost.append(datagrams)
                else:
                    send(udp, datagrams, codepoint)

            monkeypatch.setattr(UdpSocket, "send", send_but_the_first)
            await client.migrate("127.0.0.2")
            assert lost

    asyncio.run(story())


def test_what_cannot_be_is_said(certs: Path) -> None:
    async def story() -> None:
        async with pair(certs) as (client, server):
            with pytest.raises(MigrationError, match=r"cannot use 203\.0\.113\.1"):
                await client.migrate("203.0.113.1")
            assert client.local_address is not None
            with pytest.raises(MigrationError, match=r"cannot use 127\.0\.0\.2"):
                await client.migrate("127.0.0.2", client.local_address[1])
            (there,) = server.sessions
            with pytest.raises(RuntimeError, match="only a client"):
                await there.migrate()
            client.connection.peer_parameters[DISABLE_ACTIVE_MIGRATION] = b""
            with pytest.raises(MigrationError, match="disable_active_migration"):
                await client.migrate("127.0.0.2")

    asyncio.run(story())


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_a_client_moves_to_a_preferred_address_of_the_other_family(
    certs: Path, host: str, other: str
) -> None:
    class Preferring(Connection):
        """At the port that the client came to, which takes both families."""

        def receive_datagram(self, data: bytes, addr: PathAddress, now: float) -> None:
            if self._preferred is None:
                there = other, addr.local.port
                self.prefer(*((None, there) if ":" in other else (there, None)))
            super().receive_datagram(data, addr, now)

    async def story() -> None:
        async with pair(certs, host, listens_on="::", server_type=Preferring) as (client, server):
            (there,) = server.sessions
            stream = await client.open_stream()
            await stream.write(str(SIZE).encode(), end=True)
            assert len(await stream.read_all()) == SIZE
            assert client.peer_address[:2] == (other, server.port)
            assert client.local_address is not None
            assert (":" in client.local_address[0]) is (":" in other)
            assert there.peer_address[0].removeprefix("::ffff:") == other
            assert there.peer_address[1] == client.local_address[1]
            await client.migrate()
            assert client.peer_address[:2] == (other, server.port), "it does not go back"

    asyncio.run(story())


def test_without_a_route_there_a_preferred_address_of_the_other_family_is_ignored(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Preferring(Connection):
        def use_reset_key(self, key: ResetKey) -> None:
            super().use_reset_key(key)
            self.prefer(None, ("2001:db8::1", 4443))

    async def story() -> None:
        monkeypatch.setattr(client_sockets, "route_size", lambda _address: 0)
        async with pair(certs, server_type=Preferring) as (client, _):
            await client.ping()
            assert len(client.connection._network_paths) == 1
            assert client.peer_address[0] == "127.0.0.1"

    asyncio.run(story())
