"""What a peer can make an endpoint hold is bounded (the table in docs/endpoint.md)."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.endpoint.quic import Session
from quicmatrix.endpoint.quic.session import MOST_DATAGRAMS, MOST_UNACCEPTED
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets import listener
from quicmatrix.endpoint.transport.sockets.listener import Listener, Origin
from quicmatrix.endpoint.transport.streams.windows import INITIAL_WINDOW
from tests.support.quic_pair import SERVER_ADDRESS, client_configuration, server_configuration
from tests.support.quic_pair import Idle as IdleApplication
from tests.support.sessions import echo, idle, run, serving


def test_nothing_is_left_of_finished_connections(certs: Path) -> None:
    alive: weakref.WeakSet[Connection] = weakref.WeakSet()

    class Counted(Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            alive.add(self)

    async def story() -> None:
        gc.disable()  # nothing refers to itself: it need not run
        ended: list[Callable[[], Coroutine[Any, Any, None]]] = []

        async def answer(session: Session) -> None:
            ended.append(session._driven.wait_ended)
            await echo(session)

        async with serving(certs, answer, Counted) as (server, connect):
            for _ in range(20):
                async with connect() as session:
                    ended.append(session._driven.wait_ended)
                    stream = await session.open_stream()
                    await stream.write(b"x", end=True)
                    assert await stream.read_all() == b"x"
            assert len(alive) > 20, "both sides'"
            await asyncio.gather(*(wait() for wait in ended))
            ended.clear()
            del session, stream
            await asyncio.sleep(0)  # the tasks that closed the sockets
            assert not alive
            assert not server.sessions

    try:
        run(story)
    finally:
        gc.enable()


def test_two_hundred_connections_at_once(certs: Path) -> None:
    async def story() -> None:
        async with serving(certs, echo) as (server, connect):
            everybody = asyncio.Barrier(200)

            async def one(number: int) -> None:
                async with connect() as session:
                    await session.wait_ready()
                    await everybody.wait()
                    if not number:
                        assert len(server.sessions) == 200
                    await everybody.wait()
                    stream = await session.open_stream()
                    await stream.write(b"%d" % number, end=True)
                    assert await stream.read_all() == b"%d" % number

            async with asyncio.TaskGroup() as group:
                for number in range(200):
                    group.create_task(one(number))

    run(story)


def test_a_flood_of_half_open_handshakes_is_told_to_come_again(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_HALF_OPEN", 5)
    sent: list[tuple[bytes, Any]] = []
    origins: list[Origin] = []
    settings = server_configuration(certs)

    def accept(origin: Origin) -> tuple[Connection, IdleApplication]:
        origins.append(origin)
        connection = Connection(
            configuration=settings,
            original_destination_connection_id=origin.original_destination,
            retry_source_connection_id=origin.retry_source,
        )
        return connection, IdleApplication()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        target = Listener(settings, accept, lambda datagrams, _: sent.extend(datagrams))
        clients = [Connection(configuration=client_configuration(certs)) for _ in range(8)]
        for number, client in enumerate(clients):
            client.connect(SERVER_ADDRESS, now=loop.time())
            for datagram, _ in client.datagrams_to_send(now=loop.time()):
                target.received(datagram, ("198.51.100.1", number))
            target.drained()
        assert len(origins) == len(target._half_open) == 5
        # One of those who were sent a Retry proves its address, and is let in.
        retry = next(data for data, address in sent if address == ("198.51.100.1", 7))
        clients[7].receive_datagram(retry, SERVER_ADDRESS, now=loop.time())
        for datagram, _ in clients[7].datagrams_to_send(now=loop.time()):
            target.received(datagram, ("198.51.100.1", 7))
        assert len(origins) == 6
        assert origins[5].retry_source is not None
        assert origins[5].original_destination == clients[7].original_destination_connection_id
        target.close(0)

    run(story)


def test_connections_that_are_confirmed_make_room(
    certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_HALF_OPEN", 1)
    retried = []

    class Noting(Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            retried.append(arguments.get("retry_source_connection_id"))

    async def story() -> None:
        async with serving(certs, echo, Noting) as (_, connect):
            for _ in range(3):
                async with connect() as session:
                    await session.wait_ready()
                    await session.ping()

    run(story)
    assert retried == [None] * 6


def test_a_slow_reader_holds_no_more_than_a_window(certs: Path) -> None:
    size = 8 * INITIAL_WINDOW
    ahead: list[int] = []

    async def pour(session: Session) -> None:
        stream = await session.open_stream()
        writing = asyncio.ensure_future(stream.write(bytes(size), end=True))
        connection = session.connection
        await session._driven.wait_until(
            lambda: (
                connection._remote_max_data_used == connection._remote_max_data
                or stream.ahead >= 4 * INITIAL_WINDOW
            )
        )
        ahead.append(stream.ahead)
        await session.send_datagram(b"the window is full")
        await writing
        await stream.flush()

    async def story() -> None:
        async with serving(certs, pour) as (_, connect), connect() as session:
            stream = await session.accept_stream()
            await session.receive_datagram()
            await session.ping()
            held = sum(session.connection.held.values())
            assert INITIAL_WINDOW // 2 < held <= INITIAL_WINDOW
            assert ahead[0] < 4 * INITIAL_WINDOW
            assert len(await stream.read_all()) == size
            assert not session.connection.held

    run(story)


def test_what_nobody_takes_is_dropped_or_refused(certs: Path) -> None:
    async def story() -> None:
        async with serving(certs, idle) as (server, connect), connect() as session:
            await session.wait_ready()
            (there,) = server.sessions
            for _ in range(MOST_DATAGRAMS + 50):
                await session.send_datagram(b"x")
            for _ in range(MOST_UNACCEPTED + 50):
                stream = await session.open_stream(is_unidirectional=True)
                await stream.write(b"x", end=True)
            await session.flush()
            await session.ping()
            assert len(there._datagrams) == MOST_DATAGRAMS
            assert there.datagrams_dropped > 0
            assert len(there._accepted) == MOST_UNACCEPTED
            assert not session._streams

    run(story)
