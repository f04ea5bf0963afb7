"""10,000 damaged datagrams for each side, through the whole endpoint: nothing is raised, or logged.

Hypothesis chooses the damage, the same in each run; what is damaged has the keys and connection
IDs of that run. A driver
catches what a connection raises, and logs it: so the log must stay empty.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aioquic.quic.events import QuicEvent, StreamDataReceived
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.driver import Driver
from quicmatrix.endpoint.transport.sockets.listener import Listener, Origin
from quicmatrix.endpoint.transport.sockets.udp import Address, LocalAddress, PathAddress
from tests.support.quic_pair import Idle, client_configuration, server_configuration

EXAMPLES = 200
DATAGRAMS = 50
"""Per example: 10,000 in all."""
AT_SERVER = PathAddress(("193.167.0.100", 50000), LocalAddress(443))
AT_CLIENT = PathAddress(("193.167.100.100", 443), LocalAddress(50000))

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
noise = st.binary(max_size=1500)
seeds = st.integers(0, 1 << 32)


class Answer(Idle):
    """A server that answers each request with 20 kB."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._connection.send_stream_data(event.stream_id, bytes(20_000), end_stream=True)


class World:
    """A server and its clients, without a network: what is sent waits until it is carried."""

    def __init__(self, certs: Path) -> None:
        self._client_settings = client_configuration(certs)
        self._server_settings = server_configuration(certs)
        self._to_client: deque[bytes] = deque()
        self._to_server: deque[bytes] = deque()
        self.seen: dict[bool, list[bytes]] = {True: [], False: []}
        """All intact datagrams, by whether they go to the server."""
        self.listener = Listener(self._server_settings, self._accept, self._send_to_client)

    def new_client(self) -> Driver:
        """A client that has sent its first flight."""
        connection = Connection(configuration=self._client_settings)
        driver = Driver(connection, Idle(), self._send_to_server)
        connection.connect(AT_CLIENT, now=asyncio.get_running_loop().time())
        driver.drive()
        return driver

    def carry(self, client: Driver) -> None:
        """Let all datagrams arrive, until there are no more."""
        while self._to_server or self._to_client:
            while self._to_server:
                self.listener.received(self._to_server.popleft(), AT_SERVER)
            self.listener.drained()
            while self._to_client:
                client.received(self._to_client.popleft(), AT_CLIENT)
            client.drive()

    def forget(self) -> None:
        """Lose all datagrams that are on their way."""
        self._to_server.clear()
        self._to_client.clear()

    def connected_client(self) -> Driver:
        """A client that has downloaded something."""
        client = self.new_client()
        self.carry(client)
        assert client.connection.is_confirmed, "a handshake works"
        self.download(client, 0)
        return client

    def download(self, client: Driver, stream_id: int) -> None:
        """Ask for something and get it."""
        client.connection.send_stream_data(stream_id, b"x", end_stream=True)
        client.drive()
        self.carry(client)
        assert isinstance(client._application, Idle)
        answers = [
            event
            for event in client._application.events
            if isinstance(event, StreamDataReceived) and event.stream_id == stream_id
        ]
        assert answers, "a connection works"

    def _accept(self, origin: Origin) -> tuple[Connection, Answer]:
        connection = Connection(
            configuration=self._server_settings,
            original_destination_connection_id=origin.original_destination,
            retry_source_connection_id=origin.retry_source,
        )
        return connection, Answer(connection)

    def _send_to_client(self, datagrams: Sequence[tuple[bytes, Address]], _: int) -> None:
        self._to_client.extend(datagram for datagram, _ in datagrams)
        self.seen[False].extend(datagram for datagram, _ in datagrams)

    def _send_to_server(self, datagrams: Sequence[tuple[bytes, Address]], _: int) -> None:
        self._to_server.extend(datagram for datagram, _ in datagrams)
        self.seen[True].extend(datagram for datagram, _ in datagrams)


def damaged(originals: Sequence[bytes], source: random.Random) -> bytes:
    """A real datagram with flipped bits, cut short, run into another, or with another head."""
    data = bytearray(source.choice(originals))
    match source.randrange(4):
        case 0:
            for _ in range(source.randint(1, 8)):
                data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        case 1:
            del data[source.randrange(len(data)) :]
        case 2:
            data[source.randrange(len(data)) :] = source.choice(originals)
        case 3:
            data[: source.randint(1, 30)] = source.randbytes(source.randint(0, 40))
    return bytes(data)


def batch(originals: Sequence[bytes], made: bytes, seed: int) -> list[bytes]:
    source = random.Random(seed)
    return [made, *(damaged(originals, source) for _ in range(DATAGRAMS - 1))]


def fuzz(
    certs: Path,
    caplog: pytest.LogCaptureFixture,
    attack: Callable[[World, Driver, bytes, int], None],
) -> int:
    """Attack a connected pair, see that it and new connections work; the number of datagrams."""

    async def story() -> int:
        world = World(certs)
        client = world.connected_client()
        originals = {side: list(seen) for side, seen in world.seen.items()}

        attacked: list[int] = []

        @fuzzed
        @given(made=noise, seed=seeds)
        def attacks(made: bytes, seed: int) -> None:
            world.seen = {side: list(seen) for side, seen in originals.items()}
            attack(world, client, made, seed)
            attacked.append(seed)
            assert not caplog.records

        attacks()
        world.forget()
        assert not client.connection.is_ending
        world.download(client, 4)
        world.connected_client()
        world.listener.close(0)
        return len(attacked) * DATAGRAMS

    with caplog.at_level(logging.ERROR, logger="quicmatrix.endpoint"):
        sent = asyncio.run(story())
    assert not caplog.records
    return sent


def test_a_server_survives_damage(certs: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Both its connections and what belongs to none."""

    def attack(world: World, _: Driver, made: bytes, seed: int) -> None:
        for data in batch(world.seen[True], made, seed):
            world.listener.received(data, AT_SERVER)
        world.listener.drained()

    assert fuzz(certs, caplog, attack) >= 10_000


def test_a_client_survives_damage(certs: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once connected, and, every other time, a new one that waits for its first answer."""

    def attack(world: World, connected: Driver, made: bytes, seed: int) -> None:
        victim = world.new_client() if seed % 2 else connected
        for data in batch(world.seen[False], made, seed):
            victim.received(data, AT_CLIENT)
        victim.drive()
        if victim is not connected:
            victim.stop()

    assert fuzz(certs, caplog, attack) >= 10_000
