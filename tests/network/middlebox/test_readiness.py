from __future__ import annotations

import socket
from selectors import SelectSelector

from quicmatrix.runner.network.middlebox.probe import INTERVAL_NS, Probe
from quicmatrix.runner.network.middlebox.readiness import ServerWatch, ready_listener, turn_away
from quicmatrix.runner.network.topology import SIM_READY_PORT

VERSION_NEGOTIATION = b"\x80" + bytes(4) + b"\0\0" + b"\0\0\0\1"
S = 10**9


class Told:
    """What was reported."""

    def __init__(self) -> None:
        self.ready: list[bool] = []

    def __call__(self, *, ready: bool, after_ns: int) -> None:
        assert after_ns >= 0
        self.ready.append(ready)


def test_a_server_that_answers_is_ready() -> None:
    told = Told()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, SelectSelector() as selector:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        probe = Probe(("127.0.0.1",), server.getsockname()[1], 0)
        watch = ServerWatch(probe, 10 * S, selector, told)
        assert watch.next_ns == 0
        watch.tick(0)
        assert watch.next_ns == INTERVAL_NS
        _, source = server.recvfrom(2000)
        server.sendto(b"nonsense", source)
        server.sendto(VERSION_NEGOTIATION, source)
        while watch.next_ns is not None:
            for key, _ in selector.select(5):
                key.data()
        assert told.ready == [True]
        assert not selector.get_map()
        watch.tick(20 * S)
        watch.close()
    assert told.ready == [True]


def test_a_server_that_does_not_answer_in_time_is_silent() -> None:
    told = Told()
    with SelectSelector() as selector:
        watch = ServerWatch(Probe((), 443, 5), S, selector, told)
        watch.tick(5 + S - 1)
        assert watch.next_ns == 5 + S
        assert told.ready == []
        watch.tick(5 + S)
        assert told.ready == [False]
        assert watch.next_ns is None


def test_the_end_of_the_watch_is_no_report() -> None:
    told = Told()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, SelectSelector() as selector:
        server.bind(("127.0.0.1", 0))
        watch = ServerWatch(Probe(("127.0.0.1",), server.getsockname()[1], 0), S, selector, told)
        watch.close()
        watch.tick(2 * S)
        assert not selector.get_map()
    assert told.ready == []


def test_whoever_waits_for_the_sim_is_let_in_and_turned_away() -> None:
    with ready_listener() as listener:
        turn_away(listener)  # nobody is there: no error
        listener.settimeout(5)
        with socket.create_connection(("127.0.0.1", SIM_READY_PORT), timeout=5) as client:
            turn_away(listener)
            assert client.recv(10) == b""
