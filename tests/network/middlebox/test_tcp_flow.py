from __future__ import annotations

import time
from selectors import EVENT_READ, SelectSelector

import pytest

from quicmatrix.runner.network.middlebox.cross_traffic import CrossTraffic
from quicmatrix.runner.network.middlebox.frame import TCP, mac_bytes
from quicmatrix.runner.network.middlebox.tcp_flow import CONGESTION_CONTROL, TcpFlow
from quicmatrix.runner.network.middlebox.tun import Tun
from quicmatrix.runner.network.topology import SIM_LEFT, SIM_RIGHT, TCP_RECEIVER, TCP_RECEIVER_PORT

pytestmark = pytest.mark.netns

S = 10**9


def tcp_flow() -> TcpFlow:
    return TcpFlow(mac_bytes(SIM_LEFT.mac), mac_bytes(SIM_RIGHT.mac))


def carry(here: Tun, there: Tun) -> int:
    """A wire without limits; returns the bytes of TCP that crossed it."""
    crossed = 0
    for received in here.receive():
        if received.headers.protocol == TCP:
            assert there.send(there.readdressed(received.frame)) == ""
            crossed += received.headers.ip_length
    return crossed


def run(flow: TcpFlow, received_bytes: int) -> tuple[CrossTraffic, int]:
    """Until so much has arrived; the summary, and what crossed towards the receiver."""
    crossed = 0
    with SelectSelector() as selector:
        selector.register(flow.sender, EVENT_READ)
        selector.register(flow.receiver, EVENT_READ)
        flow.start(selector)
        while True:
            ready = selector.select(5)
            assert ready
            for key, _ in ready:
                if key.data is not None:
                    key.data()
            crossed += carry(flow.sender, flow.receiver)
            carry(flow.receiver, flow.sender)
            summary = flow.summary(time.monotonic_ns(), 7 * S)
            assert summary is not None
            if summary.received_bytes >= received_bytes:
                return summary, crossed


def test_it_fills_whatever_carries_it_with_cubic() -> None:
    with tcp_flow() as flow:
        assert flow.summary(0, 0) is None
        assert flow._sending.getsockopt(6, 13, 16).rstrip(b"\0") == CONGESTION_CONTROL
        before = time.monotonic()
        summary, crossed = run(flow, 3_000_000)
        assert flow._sending.getpeername() == (TCP_RECEIVER.ipv4, TCP_RECEIVER_PORT)
    assert 3_000_000 <= summary.received_bytes < crossed
    assert sum(summary.bytes_per_second) == summary.received_bytes
    assert 0 <= summary.began_at - 7 - before < 1
    assert summary.goodput_kbps > 0


def test_two_of_them_do_not_meet() -> None:
    with tcp_flow() as one, tcp_flow() as other:
        assert run(one, 100_000)[0].received_bytes >= 100_000
        assert run(other, 100_000)[0].received_bytes >= 100_000


def test_one_that_was_never_started_ends_too() -> None:
    with tcp_flow() as flow:
        flow.close()
