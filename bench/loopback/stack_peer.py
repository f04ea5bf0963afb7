"""One side of bench/endpoint.py: a stack's server, or a client that measures itself.

    stack_peer.py STACK SIZE server CERTS PORT
    stack_peer.py STACK SIZE download CERTS PORT BYTES
    stack_peer.py STACK SIZE handshakes CERTS PORT COUNT

The same for all stacks: a client asks for so many bytes on a stream and counts them, the server
makes them up, nothing is read from disk or written to it. SIZE is the largest datagram, 0 for
what the stack does of itself. A client prints a JSON line with what the measured part took.
"""

# ruff: noqa: ANN401, SLF001 - stacks that share an API and no types
from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

ALPN = "bench"
SMALL = 100
PIECE = 256 * 1024
Ask = Callable[[int], Awaitable[None]]


class Aioquic:
    """aioquic, and the stacks that have its API: qh3 and aiopquic."""

    def __init__(self, package: str, size: int) -> None:
        self._api = importlib.import_module(f"{package}.asyncio")
        self._configuration = importlib.import_module(f"{package}.quic.configuration")
        self._data_received = importlib.import_module(f"{package}.quic.events").StreamDataReceived
        self._size = size

    def _settings(self, **more: Any) -> Any:
        settings = self._configuration.QuicConfiguration(alpn_protocols=[ALPN], **more)
        if self._size:
            settings.max_datagram_size = self._size
        return settings

    async def serve(self, certs: Path, port: int) -> None:
        """Answer for ever."""
        data_received = self._data_received
        tasks = set()

        class Server(self._api.QuicConnectionProtocol):  # type: ignore[misc, name-defined]
            def quic_event_received(self, event: Any) -> None:
                if isinstance(event, data_received) and event.end_stream:
                    size = int(bytes(event.data))
                    if hasattr(self._quic, "send_stream_data_drained"):
                        task = asyncio.ensure_future(_send_drained(self, event.stream_id, size))
                        tasks.add(task)
                        return
                    self._quic.send_stream_data(event.stream_id, bytes(size), end_stream=True)
                    _transmit(self)

        settings = self._settings(is_client=False)
        settings.load_cert_chain(str(certs / "cert.pem"), str(certs / "priv.key"))
        await self._api.serve("127.0.0.1", port, configuration=settings, create_protocol=Server)
        await asyncio.Event().wait()

    @asynccontextmanager
    async def connect(self, certs: Path, port: int) -> AsyncIterator[Ask]:
        """A connection; what it gives asks for so many bytes and waits for them."""
        data_received = self._data_received

        class Client(self._api.QuicConnectionProtocol):  # type: ignore[misc, name-defined]
            received = 0
            done: asyncio.Event

            def quic_event_received(self, event: Any) -> None:
                if isinstance(event, data_received):
                    self.received += len(event.data)
                    if event.end_stream:
                        self.done.set()

        settings = self._settings(is_client=True)
        settings.load_verify_locations(str(certs / "ca.pem"))
        settings.server_name = "localhost"
        context = self._api.connect(
            "127.0.0.1", port, configuration=settings, create_protocol=Client
        )
        # Never left: leaving it waits for the closing period.
        client = await context.__aenter__()
        client._kept = context  # as long as the connection
        client.done = asyncio.Event()

        async def ask(size: int) -> None:
            stream_id = client._quic.get_next_available_stream_id()
            client._quic.send_stream_data(stream_id, str(size).encode(), end_stream=True)
            _transmit(client)
            await client.done.wait()
            assert client.received == size

        yield ask
        client._quic.close()
        _transmit(client)


class Endpoint:
    """Ours."""

    def __init__(self, size: int) -> None:
        from quicmatrix.endpoint import quic  # noqa: PLC0415 - not there in the other stacks' environments
        from quicmatrix.endpoint.transport.connection import Connection  # noqa: PLC0415
        from quicmatrix.endpoint.transport.crypto.epoch_hash import use_identity_hash  # noqa: PLC0415

        use_identity_hash()  # as python -m quicmatrix.endpoint does

        class Sized(Connection):
            def __init__(self, **arguments: Any) -> None:
                super().__init__(**arguments)
                self.searches_path_mtu = not size

        self._api = quic
        self._type = Sized
        self._size = size

    async def serve(self, certs: Path, port: int) -> None:
        """Answer for ever."""

        async def answer(session: Any) -> None:
            async for stream in session.streams():
                await stream.write(bytes(int(await stream.read_all())), end=True)

        settings = self._api.server_settings(
            alpn=[ALPN], certificate_file=certs / "cert.pem", key_file=certs / "priv.key"
        )
        settings.max_datagram_size = self._size or settings.max_datagram_size
        async with self._api.serve(answer, "127.0.0.1", port, settings, connection_type=self._type):
            await asyncio.Event().wait()

    @asynccontextmanager
    async def connect(self, certs: Path, port: int) -> AsyncIterator[Ask]:
        """A connection; what it gives asks for so many bytes and waits for them."""
        settings = self._api.client_settings(alpn=[ALPN], ca_file=certs / "ca.pem")
        settings.max_datagram_size = self._size or settings.max_datagram_size
        async with self._api.connect(
            "127.0.0.1", port, settings, connection_type=self._type
        ) as session:

            async def ask(size: int) -> None:
                stream = await session.open_stream()
                await stream.write(str(size).encode(), end=True)
                received = 0
                async for data in stream:
                    received += len(data)
                assert received == size

            yield ask
            session.close()


async def measure(stack: Aioquic | Endpoint, what: str, certs: Path, port: int, n: int) -> None:
    """Print what one download of n bytes, or n connections after each other, took."""
    async with AsyncExitStack() as stay:
        if what == "download":
            ask = await stay.enter_async_context(stack.connect(certs, port))
            begun = time.perf_counter(), _cpu_s()
            await ask(n)
        else:
            async with stack.connect(certs, port) as ask:
                await ask(SMALL)  # warms up both sides
            begun = time.perf_counter(), _cpu_s()
            for _ in range(n):
                async with stack.connect(certs, port) as ask:
                    await ask(SMALL)
        figures = {"elapsed_s": time.perf_counter() - begun[0], "cpu_s": _cpu_s() - begun[1]}
        print(json.dumps(figures), flush=True)
        os._exit(0)  # without the closing periods


async def _send_drained(protocol: Any, stream_id: int, size: int) -> None:
    """As aiopquic wants it: what it holds is bounded."""
    for at in range(0, size, PIECE):
        piece = bytes(min(PIECE, size - at))
        await protocol._quic.send_stream_data_drained(stream_id, piece, at + PIECE >= size)


def _transmit(protocol: Any) -> None:
    if hasattr(protocol, "transmit"):  # aiopquic sends from a thread of its own
        protocol.transmit()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Be what the command line asks for."""
    name, size, what, certs, port, *rest = sys.argv[1:]
    stack = Endpoint(int(size)) if name == "endpoint" else Aioquic(name, int(size))
    if what == "server":
        asyncio.run(stack.serve(Path(certs), int(port)))
    else:
        asyncio.run(measure(stack, what, Path(certs), int(port), int(rest[0])))


if __name__ == "__main__":
    main()
