"""QUIC for Python programs: a small async API on the reference endpoint's transport.

    from quicmatrix.endpoint.quic import connect, serve

    async with connect("server4", 4433, alpn=["echo"], ca_file="ca.pem") as session:
        stream = await session.open_stream()
        await stream.write(b"hello", end=True)
        print(await stream.read_all())

docs/endpoint.md shows the rest, with examples that the tests run.

opening     connect and serve
session     one connection: its streams, datagrams, keys, path
stream      a stream, read and written with back-pressure
statistics  what is known of a connection
errors      what they raise
"""

from quicmatrix.endpoint.quic.errors import (
    ConnectionClosed,
    DatagramTooLarge,
    StreamReset,
    StreamStopped,
)
from quicmatrix.endpoint.quic.opening import (
    Server,
    client_settings,
    connect,
    serve,
    server_settings,
)
from quicmatrix.endpoint.quic.session import Session
from quicmatrix.endpoint.quic.statistics import Statistics
from quicmatrix.endpoint.quic.stream import Stream
from quicmatrix.endpoint.transport.sockets.client_sockets import MigrationError

__all__ = [
    "ConnectionClosed",
    "DatagramTooLarge",
    "MigrationError",
    "Server",
    "Session",
    "Statistics",
    "Stream",
    "StreamReset",
    "StreamStopped",
    "client_settings",
    "connect",
    "serve",
    "server_settings",
]
