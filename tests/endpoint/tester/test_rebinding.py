from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from quicmatrix.endpoint.tester.peer import Peer
from quicmatrix.endpoint.tester.steps import Steps
from quicmatrix.endpoint.transport.sockets.udp import Address, LocalAddress, PathAddress

SERVER = ("193.167.100.100", 443)
OLD = PathAddress(SERVER, LocalAddress(50000))
NEW = PathAddress(SERVER, LocalAddress(60000))


class Connection:
    """Sends what it is given to where it believes the server is."""

    codepoint_received = codepoint_to_send = 0

    def __init__(self) -> None:
        self._network_paths = [SimpleNamespace(addr=OLD)]
        self.received: list[Address] = []
        self.waiting = [b"one"]

    def receive_datagram(self, _: bytes, address: Address, now: float) -> None:
        self.received.append(address)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        waiting, self.waiting = self.waiting, []
        return [(data, OLD) for data in waiting]

    def next_event(self) -> None: ...

    def get_timer(self) -> None: ...


def peer() -> tuple[Peer, Connection, list[tuple[bytes, Address]]]:
    connection, sent = Connection(), list[tuple[bytes, Address]]()

    def send(datagrams: Sequence[tuple[bytes, Address]], _: int) -> None:
        sent.extend(datagrams)

    steps = Steps(io.StringIO())
    made = Peer(cast("Any", connection), send, steps, is_client=True, alpn="hq-interop")
    return made, connection, sent


def test_a_rebound_connection_does_not_notice() -> None:
    async def story() -> None:
        made, connection, sent = peer()
        made.rebind(NEW)
        made.flush()
        assert sent == [(b"one", NEW)]
        made.receive(b"answer", NEW, 0)
        made.receive(b"late answer", OLD, 0)
        assert [address == OLD for address in connection.received] == [True, True]
        made.send_datagram(b"from the old address", path=OLD)
        assert sent[1:] == [(b"from the old address", OLD)]

    asyncio.run(story())


def test_what_comes_to_an_address_that_is_gone_is_lost() -> None:
    async def story() -> None:
        made, connection, _ = peer()
        made.rebind(NEW, old_is_gone=True)
        made.receive(b"late answer", OLD, 0)
        assert not connection.received
        assert made.arrivals == [(b"late answer", OLD)]
        made.receive(b"answer", NEW, 0)
        assert connection.received == [OLD]

    asyncio.run(story())


def test_a_connection_that_is_held_back_sends_when_it_is_released() -> None:
    async def story() -> None:
        made, _, sent = peer()
        made.is_held_back = True
        made.flush()
        assert not sent
        made.release()
        assert sent == [(b"one", OLD)]

    asyncio.run(story())
