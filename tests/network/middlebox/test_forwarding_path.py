from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.middlebox.forwarding_path import ForwardingPath
from quicmatrix.runner.network.middlebox.frame import headers
from quicmatrix.runner.network.middlebox.port import Received
from quicmatrix.runner.network.topology import (
    CLIENT,
    SERVER,
    SERVER_NETWORKS,
    SIM_LEFT,
    SIM_RIGHT,
    TCP_SENDER,
)
from tests.support import frames


@dataclass
class FakeEnd:
    queue: list[Received] = field(default_factory=list)

    def fileno(self) -> int:
        return -1

    def receive(self, limit: int = 16) -> Iterator[Received]:
        for _ in range(min(limit, len(self.queue))):
            yield self.queue.pop(0)

    def readdressed(self, frame: bytes) -> bytes:
        return frame

    def send(self, frame: bytes) -> str:
        return ""


def received(time_ns: int, destination: str = SERVER.ipv4, source: str = CLIENT.ipv4) -> Received:
    frame = frames.udp(b"", source, destination)
    found = headers(frame)
    assert found is not None
    return Received(time_ns, frame, found, len(frame))


def path(*entries: FakeEnd) -> ForwardingPath:
    return ForwardingPath(Direction.TO_SERVER, entries, FakeEnd(), SERVER_NETWORKS, {})


def test_time_never_goes_back() -> None:
    first, second = FakeEnd([received(5), received(3), received(7)]), FakeEnd([received(6)])
    together = path(first, second)
    assert [one.time_ns for one in together.receive()] == [5, 5, 7, 7]
    first.queue.append(received(6))
    assert [one.time_ns for one in together.receive()] == [7]


def test_the_limit_is_for_each_interface() -> None:
    first, second = FakeEnd([received(1)] * 20), FakeEnd([received(1)] * 20)
    assert len(list(path(first, second).receive(4))) == 8
    assert (len(first.queue), len(second.queue)) == (16, 16)


@pytest.mark.parametrize(
    ("source", "destination", "crosses"),
    [
        (CLIENT.ipv4, SERVER.ipv4, True),
        (CLIENT.ipv6, SERVER.ipv6, True),
        (CLIENT.ipv4, TCP_SENDER.ipv4, True),
        (CLIENT.ipv4, SIM_RIGHT.ipv4, False),
        (CLIENT.ipv6, SIM_RIGHT.ipv6, False),
        (CLIENT.ipv4, SIM_LEFT.ipv4, False),
        (CLIENT.ipv4, "193.167.0.7", False),
        (CLIENT.ipv4, "224.0.0.1", False),
        (CLIENT.ipv6, "ff02::2", False),
        (CLIENT.ipv6, "fe80::2", False),
    ],
)
def test_only_packets_to_the_far_side_are_forwarded(
    source: str, destination: str, crosses: bool
) -> None:
    assert len(list(path(FakeEnd([received(1, destination, source)])).receive())) == crosses


def test_a_host_may_have_an_egress_interface_of_its_own() -> None:
    usual, own = FakeEnd(), FakeEnd()
    mine, others = received(0, TCP_SENDER.ipv4).headers, received(0).headers
    one = ForwardingPath(Direction.TO_SERVER, (), usual, SERVER_NETWORKS, {mine.destination: own})
    assert one.egress(mine.destination) is own
    assert one.egress(others.destination) is usual
