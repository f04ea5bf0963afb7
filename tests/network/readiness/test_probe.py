from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from quicmatrix.runner.network.readiness.probe import (
    INTERVAL_AFTER_REFUSAL_NS,
    INTERVAL_NS,
    PROBE,
    Probe,
)

VERSION_NEGOTIATION = b"\x80" + bytes(4) + b"\0\0" + b"\0\0\0\1"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(5)
        yield opened


def test_the_probe_is_quic_interop_runners() -> None:
    assert len(PROBE) == 1207
    assert PROBE[:7] == bytes([0xC0, 0x57, 0x41, 0x49, 0x54, 0, 0])


def test_a_version_negotiation_answers(server: socket.socket) -> None:
    with Probe(("127.0.0.1", "::1"), server.getsockname()[1], 5) as probe:
        assert probe.next_ns == 5
        probe.send(5)
        asked, source = server.recvfrom(2000)
        assert asked == PROBE
        assert probe.next_ns == 5 + INTERVAL_NS
        server.sendto(b"\xc0" + b"\0\0\0\1" + bytes(20), source)
        server.sendto(VERSION_NEGOTIATION, source)
        four = probe.sockets[0]
        assert [answer(probe, four), answer(probe, four)] == [False, True]


def test_a_closed_port_is_probed_again_soon() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with Probe(("127.0.0.1",), port, 0) as probe:
        probe.send(0)
        assert not answer(probe, probe.sockets[0])
        assert probe.next_ns == INTERVAL_AFTER_REFUSAL_NS


def test_an_address_without_a_route_is_left_out() -> None:
    with Probe(("255.255.255.255",), 443, 0) as probe:
        assert not probe.sockets
        probe.send(0)
        assert probe.next_ns == INTERVAL_NS


def answer(probe: Probe, connected: socket.socket) -> bool:
    assert select.select([connected], (), (), 5)[0]
    return probe.answered(connected, 0)
