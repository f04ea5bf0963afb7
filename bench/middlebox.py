"""The middlebox's throughput, CPU time and lateness. Needs root.

Run as ``python bench/middlebox.py``. It makes its own three namespaces and prints

- the throughput of 1252-byte datagrams with as many in flight as fit, on a link that is no limit;
- lateness at 10 Mbps: how much later than due packets are delivered;
- the goodput of tcp-cross-traffic's TCP flow when it is alone, of 9,640 kbps at most;
- the CPU time of a forwarding decision in each scenario.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
import time
from pathlib import Path

# The namespaces and the frames are those of the tests.
sys.path.insert(0, str(Path(__file__).parents[1]))

from quicmatrix.runner.network.control import Summary
from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.middlebox.forwarding import Network
from quicmatrix.runner.network.middlebox.frame import headers
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.network.topology import SERVER, SERVER_PORT
from tests.support import frames
from tests.support.three_hosts import ThreeHosts, middlebox, three_hosts

DATAGRAM = bytes(1252)
IN_FLIGHT = 256


def carry(sender: socket.socket, receiver: socket.socket, datagrams: int) -> float:
    """Send so many with a window of :data:`IN_FLIGHT`; returns the seconds it took."""
    began = time.monotonic()
    sent = received = 0
    while received < datagrams:
        while sent < datagrams and sent - received < IN_FLIGHT:
            sender.send(DATAGRAM)
            sent += 1
        receiver.recv(2048)
        received += 1
    return time.monotonic() - began


def pace(sender: socket.socket, receiver: socket.socket, datagrams: int, rate_bps: float) -> float:
    """Send so many at a steady rate; returns the seconds it took."""
    interval = len(DATAGRAM) * 8 / rate_bps
    began = time.monotonic()
    received = 0
    for number in range(datagrams):
        pause = began + number * interval - time.monotonic()
        while select.select([receiver], (), (), max(0, pause))[0]:
            receiver.recv(2048)
            received += 1
            pause = began + number * interval - time.monotonic()
        sender.send(DATAGRAM)
    while received < datagrams:
        receiver.recv(2048)
        received += 1
    return time.monotonic() - began


async def tcp_alone(hosts: ThreeHosts, seconds: float) -> tuple[float, Summary]:
    """The middlebox's CPU seconds and its summary."""
    scenario = "tcp-cross-traffic --delay=15ms --bandwidth=10Mbps --queue=25"
    async with middlebox(hosts, scenario) as box:
        await asyncio.sleep(seconds)
        cpu = cpu_seconds(box.process.pid)
        summary = await box.channel.finish()
        await box.process.wait()
    return cpu, summary


def decision_us(scenario: str, datagrams: int) -> float:
    """CPU microseconds that deciding about one datagram takes."""
    network = Network(parse_scenario(scenario), 1)
    frame = frames.udp(b"\x40" * 1252)
    found = headers(frame)
    assert found is not None
    began = time.process_time()
    for number in range(datagrams):
        network.forward(Direction.TO_SERVER, number * 20_000, frame, found)
    return (time.process_time() - began) / datagrams * 1e6


async def measure(
    hosts: ThreeHosts, scenario: str, datagrams: int, rate_bps: float | None
) -> tuple[float, float, Summary]:
    """Goodput in Mbps, the middlebox's CPU seconds and its summary."""
    async with middlebox(hosts, scenario) as box:
        with hosts.client.udp() as sender, hosts.server.udp(port=SERVER_PORT) as receiver:
            sender.connect((SERVER.ipv4, SERVER_PORT))
            if rate_bps is None:
                seconds = carry(sender, receiver, datagrams)
            else:
                seconds = pace(sender, receiver, datagrams, rate_bps)
        cpu = cpu_seconds(box.process.pid)
        summary = await box.channel.finish()
        await box.process.wait()
    return datagrams * len(DATAGRAM) * 8 / seconds / 1e6, cpu, summary


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure everything."""
    runs: tuple[tuple[str, str, int, float | None], ...] = (
        (
            "as fast as it can",
            "simple-p2p --delay=0ms --bandwidth=10Gbps --queue=1000",
            60_000,
            None,
        ),
        ("100 Mbps, 1 ms", "simple-p2p --delay=1ms --bandwidth=1Gbps --queue=1000", 50_000, 100e6),
        ("10 Mbps, 15 ms", "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25", 5_000, 9.5e6),
    )
    print(
        f"{'':>18} {'Mbps':>7} {'CPU s':>6} {'p50 ms':>7} {'p99 ms':>7} {'worst':>7} lost dropped"
    )
    for name, scenario, datagrams, rate_bps in runs:
        with three_hosts() as hosts:
            mbps, cpu, summary = asyncio.run(measure(hosts, scenario, datagrams, rate_bps))
        late = summary.lateness_ms
        print(
            f"{name:>18} {mbps:7.1f} {cpu:6.2f} {late.p50:7.3f} {late.p99:7.3f} {late.worst:7.3f}"
            f" {summary.kernel_drops:4} {summary.dropped:7}"
        )
    with three_hosts() as hosts:
        cpu, summary = asyncio.run(tcp_alone(hosts, 5))
    traffic, late = summary.cross_traffic, summary.lateness_ms
    assert traffic is not None
    print(
        f"{'TCP alone':>18} {traffic.goodput_kbps / 1000:7.1f} {cpu:6.2f} {late.p50:7.3f}"
        f" {late.p99:7.3f} {late.worst:7.3f} {summary.kernel_drops:4} {summary.dropped:7}"
    )
    link = "--delay=1ms --bandwidth=100Gbps --queue=1000"
    rates = "--rate_to_client=30 --rate_to_server=30"
    print(f"\n{'deciding':>18} {'us':>7}")
    for scenario in (
        f"simple-p2p {link}",
        f"drop-rate {link} {rates} --burst_to_server=3",
        f"corrupt-rate {link} {rates}",
        f"rebind {link} --first-rebind=1us",
        f"reorder {link} {rates}",
    ):
        print(f"{scenario.split()[0]:>18} {decision_us(scenario, 20_000):7.2f}")


if __name__ == "__main__":
    main()
