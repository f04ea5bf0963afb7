from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from aioquic.quic.events import QuicEvent

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.driver import Driver
from tests.support.quic_pair import SERVER_ADDRESS, Idle, client_configuration


class Broken(Idle):
    def pump(self) -> None:
        raise ZeroDivisionError


class Observer:
    def __init__(self) -> None:
        self.has_ended = False

    def issued(self, connection_id: bytes) -> None: ...
    def retired(self, connection_id: bytes) -> None: ...

    def ended(self) -> None:
        self.has_ended = True


@pytest.fixture
def connection(certs: Path) -> Connection:
    return Connection(configuration=client_configuration(certs))


def test_a_bug_ends_the_connection_with_a_traceback(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        sent: list[object] = []
        driver = Driver(connection, Broken(), lambda datagrams, _: sent.extend(datagrams))
        connection.connect(SERVER_ADDRESS, now=asyncio.get_running_loop().time())
        async with asyncio.timeout(5):
            waiting = asyncio.ensure_future(driver.wait_until(lambda: False))
            await asyncio.sleep(0)
            driver.drive()
            await waiting
        driver.stop()
        assert connection.ending is not None
        assert connection.ending.error_code == 1, "INTERNAL_ERROR"
        assert len(sent) == 1

    with caplog.at_level(logging.ERROR):
        asyncio.run(story())
    assert "ZeroDivisionError" in caplog.text


def test_the_timer_brings_time_to_the_connection(connection: Connection) -> None:
    async def story() -> None:
        resent = asyncio.Event()
        sent: list[bytes] = []

        def send(datagrams: Sequence[tuple[bytes, object]], _: int) -> None:
            sent.extend(datagram for datagram, _ in datagrams)
            if len(sent) >= 2:
                resent.set()

        driver = Driver(connection, Idle(), send)
        connection.connect(SERVER_ADDRESS, now=asyncio.get_running_loop().time())
        driver.drive()
        async with asyncio.timeout(5):
            await resent.wait()
        driver.stop()
        assert sent[0][0] & 0xF0 == sent[1][0] & 0xF0 == 0xC0, "two Initials"

    asyncio.run(story())


def test_the_end_of_a_connection_is_told(connection: Connection) -> None:
    async def story() -> None:
        observer, application = Observer(), Idle()
        driver = Driver(connection, application, lambda *_: None, observer)
        loop = asyncio.get_running_loop()
        connection.connect(SERVER_ADDRESS, now=loop.time())
        driver.close(0)
        assert not observer.has_ended, "the closing period comes first"
        connection.handle_timer(now=loop.time() + 60)
        driver.drive()
        assert observer.has_ended
        assert driver.terminated is not None
        assert application.events == [driver.terminated]
        await driver.wait_until(lambda: False)

    asyncio.run(story())


def test_an_application_sees_every_event(connection: Connection) -> None:
    async def story() -> None:
        application = Idle()
        driver = Driver(connection, application, lambda *_: None)
        event = QuicEvent()
        connection._events.append(event)
        driver.drive()
        assert application.events == [event]
        driver.stop()

    asyncio.run(story())
