from __future__ import annotations

import socket
from selectors import SelectSelector

from quicmatrix.runner.network.readiness.probe import INTERVAL_NS, Probe
from quicmatrix.runner.network.readiness.server_watch import ServerWatch

VERSION_NEGOTIATION = b"\x80" + bytes(4) + b"\0\0" + b"\0\0\0\1"
S = 10**9


class Reports:
    """Collects what was reported."""

    def __init__(self) -> None:
        self.ready: list[bool] = []

    def __call__(self, *, ready: bool, after_ns: int) -> None:
        assert after_ns >= 0
        self.ready.append(ready)


def test_a_server_that_answers_is_ready() -> None:
    reports = Reports()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, SelectSelector() as selector:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        probe = Probe(("127.0.0.1",), server.getsockname()[1], 0)
        watch = ServerWatch(probe, 10 * S, selector, reports)
        assert watch.next_ns == 0
        watch.tick(0)
        assert watch.next_ns == INTERVAL_NS
        _, source = server.recvfrom(2000)
        server.sendto(b"nonsense", source)
        server.sendto(VERSION_NEGOTIATION, source)
        while watch.next_ns is not None:
            for key, _ in selector.select(5):
                key.data()
        assert reports.ready == [True]
        assert not selector.get_map()
        watch.tick(20 * S)
        watch.close()
    assert reports.ready == [True]


def test_a_server_that_does_not_answer_in_time_is_silent() -> None:
    reports = Reports()
    with SelectSelector() as selector:
        watch = ServerWatch(Probe((), 443, 5), S, selector, reports)
        watch.tick(5 + S - 1)
        assert watch.next_ns == 5 + S
        assert reports.ready == []
        watch.tick(5 + S)
        assert reports.ready == [False]
        assert watch.next_ns is None


def test_closing_the_watch_reports_nothing() -> None:
    reports = Reports()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, SelectSelector() as selector:
        server.bind(("127.0.0.1", 0))
        watch = ServerWatch(Probe(("127.0.0.1",), server.getsockname()[1], 0), S, selector, reports)
        watch.close()
        watch.tick(2 * S)
        assert not selector.get_map()
    assert reports.ready == []
