from __future__ import annotations

import asyncio
import errno
import socket
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.endpoint.transport.sockets.udp import (
    MOST_PER_WAKE_UP,
    Address,
    LocalAddress,
    PathAddress,
    UdpSocket,
    UdpSockets,
    _batches,
    bound_socket,
    client_socket,
    is_ipv4,
    route_size,
)


class Inbox:
    """What a socket took in, and a way to wait for so many datagrams."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address, int]] = []
        self._changed = asyncio.Event()

    def received(self, datagram: bytes, address: Address, codepoint: int) -> None:
        self.datagrams.append((datagram, address, codepoint))

    def drained(self) -> None:
        self._changed.set()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.datagrams) < count:
                self._changed.clear()
                await self._changed.wait()


PLACES = {
    "IPv4": ("127.0.0.1", "127.0.0.1"),
    "IPv6": ("::1", "::1"),
    "IPv4 at a dual-stack socket": ("::", "127.0.0.1"),
    "IPv6 at a dual-stack socket": ("::", "::1"),
}


@pytest.mark.parametrize(("bound", "host"), PLACES.values(), ids=PLACES)
def test_marks_and_local_addresses_cross_both_ways(bound: str, host: str) -> None:
    async def story() -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server, client = UdpSocket(bound_socket(bound, 0)), UdpSocket(client_socket(family))
        at_server, at_client = Inbox(), Inbox()
        server.start(at_server.received, at_server.drained)
        client.start(at_client.received, at_client.drained)
        for codepoint in (0, 1, 2, 3):
            client.send([(b"%d" % codepoint, (host, server.port))], codepoint)
        await at_server.has(4)
        for data, path, codepoint in at_server.datagrams:
            assert data == b"%d" % codepoint
            assert isinstance(path, PathAddress)
            assert socket.inet_pton(family, host) == path.local.host[-16 if ":" in host else -4 :]
            server.send([(data, path)], codepoint)
        await at_client.has(4)
        assert [(data, mark) for data, _, mark in at_client.datagrams] == [
            (b"0", 0),
            (b"1", 1),
            (b"2", 2),
            (b"3", 3),
        ]
        assert {path[:2] for _, path, _ in at_client.datagrams} == {(host, server.port)}
        server.close()
        client.close()

    asyncio.run(story())


def test_an_answer_leaves_from_where_the_question_came_to() -> None:
    """127.0.0.2 is as much ours as 127.0.0.1, but not what the kernel would choose."""

    async def story() -> None:
        server, client = UdpSocket(bound_socket("::", 0)), UdpSocket(client_socket(socket.AF_INET))
        at_server, at_client = Inbox(), Inbox()
        server.start(at_server.received, at_server.drained)
        client.start(at_client.received, at_client.drained)
        client.send([(b"x", ("127.0.0.2", server.port))])
        await at_server.has(1)
        server.send([(b"y", at_server.datagrams[0][1])])
        await at_client.has(1)
        assert at_client.datagrams[0][1] == ("127.0.0.2", server.port)
        server.close()
        client.close()

    asyncio.run(story())


@pytest.mark.parametrize("error", [None, errno.EIO, errno.EINVAL])
def test_runs_of_datagrams_arrive_whole_with_and_without_offload(error: int | None) -> None:
    class Refusing(socket.socket):
        """An interface that cannot segment."""

        runs = 0

        def sendmsg(
            self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None
        ) -> int:
            if len(buffers) > 1:
                self.runs += 1
                if error is not None:
                    raise OSError(error, "refused")
            return super().sendmsg(buffers, ancdata, flags, address)

    async def story() -> None:
        server = UdpSocket(bound_socket("127.0.0.1", 0))
        inbox = Inbox()
        server.start(inbox.received, inbox.drained)
        refusing = Refusing(socket.AF_INET, socket.SOCK_DGRAM)
        client = UdpSocket(refusing)
        address = ("127.0.0.1", server.port)
        sizes = [1200] * 20 + [700] + [1200, 1200, 300]
        sent = [bytes([number]) * size for number, size in enumerate(sizes)]
        for _ in range(2):
            client.send([(datagram, address) for datagram in sent], 2)
        await inbox.has(2 * len(sent))
        assert [datagram for datagram, _, _ in inbox.datagrams] == 2 * sent
        assert {mark for _, _, mark in inbox.datagrams} == {2}
        # Two runs a call; only EIO says that there is no point in trying again.
        assert refusing.runs == (1 if error == errno.EIO else 4)
        server.close()
        client.close()

    asyncio.run(story())


def test_only_the_last_of_a_run_is_smaller() -> None:
    def sizes(*given: int, segments: bool = True) -> list[list[int]]:
        datagrams = [bytes(size) for size in given]
        return [[len(datagram) for datagram in batch] for batch in _batches(datagrams, segments)]

    assert sizes(9, 9, 5, 5, 7, 9, 9) == [[9, 9, 5], [5], [7], [9, 9]]
    assert sizes(9, 9, 5, segments=False) == [[9], [9], [5]]
    assert sizes(*[1472] * 100) == [[1472] * 44, [1472] * 44, [1472] * 12]
    assert sizes(*[10] * 100) == [[10] * 64, [10] * 36]


def test_a_path_is_both_of_its_ends() -> None:
    peer = ("192.0.2.1", 50000)
    here, there = PathAddress(peer, LocalAddress(443)), PathAddress(peer, LocalAddress(4443))
    assert here == PathAddress(peer, LocalAddress(443, interface=7))
    assert here != there
    assert here == peer == there
    assert here != PathAddress(("192.0.2.2", 50000), LocalAddress(443))
    assert hash(here) == hash(peer)


def test_what_is_sent_on_a_path_leaves_by_its_socket() -> None:
    async def story() -> None:
        first, second = (UdpSocket(bound_socket("127.0.0.1", 0)) for _ in range(2))
        sockets = UdpSockets([first])
        sockets.add(second)
        inbox = Inbox()
        sockets.start(inbox.received, inbox.drained)
        with client_socket(socket.AF_INET) as client:
            client.settimeout(5)
            for udp in (first, second):
                client.sendto(b"x", ("127.0.0.1", udp.port))
            await inbox.has(2)
            home = ("127.0.0.1", client.getsockname()[1])
            answers = [(b"y", address) for _, address, _ in inbox.datagrams]
            sockets.send([*answers, (b"y", home)])
            ports = [client.recvfrom(10)[1][1] for _ in range(3)]
        assert ports == [first.port, second.port, first.port]
        sockets.close()

    asyncio.run(story())


def test_datagrams_come_in_batches() -> None:
    async def story() -> None:
        batches: list[list[bytes]] = [[]]
        done = asyncio.Event()

        def received(datagram: bytes, address: Address, _: int) -> None:
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
    """As is one after the end; those in between arrive."""

    async def send_three(peer: tuple[str, int]) -> None:
        target = UdpSocket(client_socket(socket.AF_INET))
        target.send([(bytes(70_000), peer)])
        target.send([(b"small enough", peer)])
        target.close()
        target.send([(b"after the end", peer)])

    with bound_socket("127.0.0.1", 0) as udp:
        asyncio.run(send_three(("127.0.0.1", udp.getsockname()[1])))
        assert udp.recv(100) == b"small enough"
        with pytest.raises(BlockingIOError):
            udp.recv(100)


def test_an_address_in_use_is_an_error() -> None:
    with bound_socket("127.0.0.1", 0) as udp:
        with pytest.raises(OSError, match="in use") as raised:
            bound_socket("127.0.0.1", udp.getsockname()[1])
        assert raised.value.errno == errno.EADDRINUSE


def test_large_buffers_are_asked_for() -> None:
    with client_socket(socket.AF_INET) as udp:
        usual = int(Path("/proc/sys/net/core/rmem_default").read_text())
        assert udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > usual


@pytest.mark.parametrize(("host", "size"), [("127.0.0.1", 65507), ("::1", 65488)])
def test_a_route_says_how_large_datagrams_may_be(host: str, size: int) -> None:
    assert route_size((host, 443)) == size, "what loopback carries, without headers"
    assert route_size(PathAddress((host, 443), LocalAddress(1))) == size


def test_no_route_carries_nothing() -> None:
    assert route_size(("255.255.255.255", 443)) == 0


def test_a_client_may_choose_its_address() -> None:
    async def story() -> None:
        udp = UdpSocket(client_socket(socket.AF_INET, "127.0.0.2"))
        assert udp.local == LocalAddress(udp.port, bytes([127, 0, 0, 2]))
        anywhere = UdpSocket(client_socket(socket.AF_INET), knows_host=False)
        assert anywhere.local == LocalAddress(anywhere.port)
        with pytest.raises(OSError, match="in use"):
            client_socket(socket.AF_INET, "127.0.0.2", udp.port)
        udp.close()
        anywhere.close()

    asyncio.run(story())


def test_a_socket_that_was_left_is_closed_and_the_other_one_takes_over() -> None:
    async def story() -> None:
        server = UdpSocket(bound_socket("127.0.0.1", 0))
        inbox = Inbox()
        server.start(inbox.received, inbox.drained)
        old, new = (UdpSocket(client_socket(socket.AF_INET)) for _ in range(2))
        both = UdpSockets([old])
        both.add(new)
        both.leave(old, new)
        assert old._udp.fileno() < 0
        both.send([(b"x", ("127.0.0.1", server.port))], 0)
        await inbox.has(1)
        assert inbox.datagrams[0][1][1] == new.port
        both.close()
        server.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("192.0.2.1", True), ("::ffff:192.0.2.1", True), ("fd00::1", False), ("fe80::1%eth0", False)],
)
def test_a_mapped_address_is_ipv4(host: str, expected: bool) -> None:
    assert is_ipv4(host) is expected
