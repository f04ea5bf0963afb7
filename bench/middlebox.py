"""How much the middlebox carries, what that costs, and how punctual it is. Needs root.

Run as ``python bench/middlebox.py``. It makes its own three namespaces and prints

- the throughput of 1252-byte datagrams with as many in flight as fit, on a link that is no limit;
- lateness at 10 Mbps, which is by how much deliveries miss the time that the link's model gave.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
import time
from pathlib import Path

# The namespaces are those of the tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests/network"))

from three_hosts import ThreeHosts, middlebox, three_hosts

from runner.network.control import Summary
from runner.network.topology import SERVER, SERVER_PORT

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


async def measure(
    hosts: ThreeHosts, scenario: str, datagrams: int, rate_bps: float | None
) -> tuple[float, float, Summary]:
    """Goodput in Mbps, the middlebox's CPU seconds, and what it says of itself."""
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
    """Measure both."""
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


if __name__ == "__main__":
    main()
