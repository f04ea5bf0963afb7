from __future__ import annotations

import asyncio
import errno
import socket
from itertools import chain
from pathlib import Path

import pytest

from endpoint.transport.udp import (
    MOST_PER_WAKE_UP,
    Address,
    UdpSocket,
    bound_socket,
    client_socket,
)


def test_datagrams_come_in_batches() -> None:
    async def story() -> None:
        batches: list[list[bytes]] = [[]]
        done = asyncio.Event()

        def received(datagram: bytes, address: Address) -> None:
            assert address == sender.getsockname()
            batches[-1].append(datagram)

        def drained() -> None:
            batches.append([])
            if sum(map(len, batches)) == 100:
                done.set()

        udp = bound_socket("127.0.0.1", 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            for number in range(100):
                sender.sendto(bytes([number]), udp.getsockname())
            target = UdpSocket(udp)
            target.start(received, drained)
            async with asyncio.timeout(5):
                await done.wait()
            target.close()
            target.close()
        assert [len(batch) for batch in batches] == [MOST_PER_WAKE_UP, 100 - MOST_PER_WAKE_UP, 0]
        assert b"".join(chain.from_iterable(batches)) == bytes(range(100))

    asyncio.run(story())


def test_one_socket_takes_both_families() -> None:
    with bound_socket("::", 0) as udp:
        port = udp.getsockname()[1]
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with client_socket(family) as client:
                client.sendto(b"x", (address, port))
                udp.settimeout(5)
                assert udp.recvfrom(10)[1][1] == client.getsockname()[1]


def test_a_refused_datagram_is_a_lost_one() -> None:
    async def story() -> None:
        target = UdpSocket(client_socket(socket.AF_INET))
        target.send(bytes(70_000), ("127.0.0.1", 9))
        target.close()
        target.send(b"after the end", ("127.0.0.1", 9))

    asyncio.run(story())


def test_an_address_in_use_is_an_error() -> None:
    with bound_socket("127.0.0.1", 0) as udp:
        with pytest.raises(OSError, match="in use") as raised:
            bound_socket("127.0.0.1", udp.getsockname()[1])
        assert raised.value.errno == errno.EADDRINUSE


def test_large_buffers_are_asked_for() -> None:
    with client_socket(socket.AF_INET) as udp:
        usual = int(Path("/proc/sys/net/core/rmem_default").read_text())
        assert udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > usual
