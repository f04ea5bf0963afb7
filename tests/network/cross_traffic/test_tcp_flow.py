from __future__ import annotations

import os
import time
from selectors import EVENT_READ, SelectSelector

import pytest

from quicmatrix.runner.network.cross_traffic.goodput import CrossTraffic
from quicmatrix.runner.network.cross_traffic.tcp_flow import CONGESTION_CONTROL, TcpFlow
from quicmatrix.runner.network.cross_traffic.tun import Tun
from quicmatrix.runner.network.middlebox.frame import TCP, mac_bytes
from quicmatrix.runner.network.topology import SIM_LEFT, SIM_RIGHT, TCP_RECEIVER, TCP_RECEIVER_PORT
from tests.support.real_root import needs_tun

pytestmark = [pytest.mark.netns, needs_tun]

S = 10**9


def tcp_flow() -> TcpFlow:
    return TcpFlow(mac_bytes(SIM_LEFT.mac), mac_bytes(SIM_RIGHT.mac))


def forward(here: Tun, there: Tun) -> int:
    """Forward all packets without a limit; returns the bytes of TCP packets."""
    forwarded = 0
    for received in here.receive():
        if received.headers.protocol == TCP:
            assert there.send(there.readdressed(received.frame)) == ""
            forwarded += received.headers.ip_length
    return forwarded


def run(flow: TcpFlow, received_bytes: int) -> tuple[CrossTraffic, int]:
    """Until so much has arrived; the summary, and the bytes forwarded to the receiver."""
    forwarded = 0
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
            forwarded += forward(flow.sender, flow.receiver)
            forward(flow.receiver, flow.sender)
            summary = flow.summary(time.monotonic_ns(), 7 * S)
            assert summary is not None
            if summary.received_bytes >= received_bytes:
                return summary, forwarded


def test_it_sends_as_fast_as_it_can_with_cubic() -> None:
    with tcp_flow() as flow:
        assert flow.summary(0, 0) is None
        assert flow._sending.getsockopt(6, 13, 16).rstrip(b"\0") == CONGESTION_CONTROL
        before = time.monotonic()
        summary, forwarded = run(flow, 3_000_000)
        after = time.monotonic()
        assert flow._sending.getpeername() == (TCP_RECEIVER.ipv4, TCP_RECEIVER_PORT)
    assert 3_000_000 <= summary.received_bytes < forwarded
    assert sum(summary.bytes_per_second) == summary.received_bytes
    assert before <= summary.began_at - 7 <= after
    assert summary.goodput_kbps > 0


def test_two_flows_are_independent() -> None:
    with tcp_flow() as one, tcp_flow() as other:
        assert run(one, 100_000)[0].received_bytes >= 100_000
        assert run(other, 100_000)[0].received_bytes >= 100_000


def test_closing_one_that_was_never_started_removes_its_hosts() -> None:
    with tcp_flow() as flow:
        devices = [flow.sender.fileno(), flow.receiver.fileno()]
        flow.close()
        assert flow.summary(0, 0) is None
    assert flow._sending.fileno() == -1
    for device in devices:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(device)
