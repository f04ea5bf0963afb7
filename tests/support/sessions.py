"""A server and clients of :mod:`quicmatrix.endpoint.quic` in one event loop, over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from quicmatrix.endpoint.quic import (
    Server,
    Session,
    client_settings,
    connect,
    serve,
    server_settings,
)
from quicmatrix.endpoint.quic.opening import Handler
from quicmatrix.endpoint.transport.connection import Connection

LIMIT_S = 120.0
"""A story that hangs ends then; none that works takes so long, however busy the machine is."""

Connect = Callable[[], AbstractAsyncContextManager[Session]]


@asynccontextmanager
async def serving(
    certs: Path, handler: Handler, connection_type: type[Connection] = Connection
) -> AsyncIterator[tuple[Server, Connect]]:
    """A server, and how to connect to it; no connection is idle for too long."""
    settings = server_settings(
        alpn=["test"], certificate_file=certs / "cert.pem", key_file=certs / "priv.key"
    )
    own = client_settings(alpn=["test"], ca_file=certs / "ca.pem")
    settings.idle_timeout = own.idle_timeout = LIMIT_S
    async with (
        asyncio.timeout(LIMIT_S),
        serve(handler, "127.0.0.1", 0, settings, connection_type=connection_type) as server,
    ):
        yield (
            server,
            lambda: connect("127.0.0.1", server.port, own, connection_type=connection_type),
        )


async def echo(session: Session) -> None:
    """Send back what comes, once it is complete."""
    async for stream in session.streams():
        await stream.write(await stream.read_all(), end=True)


async def idle(session: Session) -> None:
    """Do nothing until the connection ends."""
    await session.wait_closed()


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story."""
    asyncio.run(story())
