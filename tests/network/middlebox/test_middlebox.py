from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from aioquic.asyncio.server import QuicServer

from quicmatrix.runner.bundle.capture import CapturedPacket, finish, read_packets
from quicmatrix.runner.network.control import Forwarded, MiddleboxError, Summary
from quicmatrix.runner.network.recording.recorder import LEFT_CAPTURE, RIGHT_CAPTURE
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.network.topology import (
    CLIENT,
    SERVER,
    SERVER_PORT,
    SIM_LEFT,
    SIM_READY_PORT,
    SIM_RIGHT,
)
from tests.support import quic_sample
from tests.support.three_hosts import Host, RunningMiddlebox, ThreeHosts, middlebox, three_hosts

pytestmark = pytest.mark.netns

DEFAULT = "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25"
MS = 1_000_000
ONE_MS = bytes(1220)
"""A payload that takes 1 ms at 10 Mbps over IPv4."""


async def end(box: RunningMiddlebox) -> Summary:
    summary = await box.channel.finish()
    assert await box.process.wait() == 0
    assert not summary.kernel_drops
    assert not summary.truncated
    return summary


def packets(box: RunningMiddlebox, name: str) -> list[CapturedPacket]:
    out = box.captures / "sorted.pcap"
    assert not finish(box.captures / name, out, b"")
    return list(read_packets(out))


def comments(box: RunningMiddlebox, name: str) -> list[str]:
    return [one.comment for one in packets(box, name)]


@pytest.mark.parametrize("ipv6", [False, True])
def test_datagrams_are_forwarded_in_both_directions_and_captured_twice(ipv6: bool) -> None:
    server_address = SERVER.ipv6 if ipv6 else SERVER.ipv4

    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            with (
                hosts.client.udp(ipv6=ipv6) as client,
                hosts.server.udp(port=443, ipv6=ipv6) as server,
            ):
                client.sendto(b"ping", (server_address, 443))
                asked, source = server.recvfrom(100)
                server.sendto(b"pong", source)
                assert (asked, client.recv(100)) == (b"ping", b"pong")
                assert source[0] == (CLIENT.ipv6 if ipv6 else CLIENT.ipv4)
            summary = await end(box)
            assert summary.forwarded == Forwarded(to_client=1, to_server=1)
            assert summary.dropped == 0
            left, right = packets(box, LEFT_CAPTURE), packets(box, RIGHT_CAPTURE)
            assert [one.frame[-4:] for one in left] == [b"ping", b"pong"]
            assert [one.frame[12:] for one in left] == [one.frame[12:] for one in right]
            assert [one.comment for one in left] == [one.comment for one in right]
            assert all(one.comment.startswith("#1 delivered after ") for one in left)
            for sent, delivered in ((left[0], right[0]), (right[1], left[1])):
                exact_ns = 15 * MS + ((52 if ipv6 else 32) + 2) * 800
                late_ns = delivered.time_ns - sent.time_ns - exact_ns
                assert 0 <= late_ns <= summary.lateness_ms.worst * MS + 1000

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_the_round_trip_time_is_that_of_the_scenario() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                times = []
                for _ in range(20):
                    began = time.monotonic_ns()
                    client.sendto(ONE_MS, (SERVER.ipv4, 443))
                    server.sendto(*server.recvfrom(2000))
                    client.recv(2000)
                    times.append(time.monotonic_ns() - began)
            await end(box)
        # Never earlier, up to what reading two clocks costs; and the best of twenty shows what the
        # link itself takes, since a busy machine can only add to that.
        assert all(took >= 32 * MS - 20_000 for took in times)
        assert min(times) < 34 * MS

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_a_burst_is_spread_by_the_rate_and_cut_by_the_queue() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                for number in range(100):
                    client.sendto(bytes([number]) + ONE_MS[1:], (SERVER.ipv4, 443))
                summary = await end(box)
                arrived = [server.recv(2000)[0] for _ in range(summary.forwarded.to_server)]
            left, right = packets(box, LEFT_CAPTURE), packets(box, RIGHT_CAPTURE)
        # However long the burst took on this machine: by the times at which it arrived, the model
        # says what the middlebox must have done.
        link = parse_scenario(DEFAULT).link()
        due = [link.offer(one.time_ns, 1248) for one in left]
        passed = [number for number, one in enumerate(due) if isinstance(one, int)]
        assert 27 <= len(passed) < 100
        assert arrived == passed
        assert summary.dropped == 100 - len(passed)
        for number, one in enumerate(left):
            if number not in passed:
                assert one.comment == f"#{number + 1} dropped: queue full"
        times = [one for one in due if isinstance(one, int)]
        for delivered, due_ns in zip(right, times, strict=True):
            assert 0 <= delivered.time_ns - due_ns <= summary.lateness_ms.worst * MS + 1000

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_nothing_is_missed_at_the_start_and_at_the_end() -> None:
    async def story(hosts: ThreeHosts) -> None:
        with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
            async with middlebox(
                hosts, "simple-p2p --delay=300ms --bandwidth=1Gbps --queue=25"
            ) as box:
                client.sendto(b"first", (SERVER.ipv4, 443))
                for _ in range(20):
                    client.sendto(b"last", (SERVER.ipv4, 443))
                summary = await end(box)
                assert summary.forwarded.to_server == 21
                assert len(packets(box, LEFT_CAPTURE)) == len(packets(box, RIGHT_CAPTURE)) == 21
                assert server.recv(100) == b"first"

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_packets_in_flight_for_too_long_after_the_end_are_recorded_as_dropped() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, "simple-p2p --delay=60s --bandwidth=1Gbps --queue=25") as box:
            with hosts.client.udp() as client:
                client.sendto(b"late", (SERVER.ipv4, 443))
            summary = await end(box)
            assert summary.dropped == 1
            assert comments(box, LEFT_CAPTURE) == ["#1 dropped: still in flight at the end"]
            assert comments(box, RIGHT_CAPTURE) == []

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_a_scenario_decides_by_the_datagrams_number() -> None:
    async def story(hosts: ThreeHosts) -> None:
        scenario = "droplist --delay=1ms --bandwidth=1Gbps --queue=25 --drops_to_server=2,3"
        async with middlebox(hosts, scenario) as box:
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                for number in range(4):
                    client.sendto(bytes([number]), (SERVER.ipv4, 443))
                assert [server.recv(10), server.recv(10)] == [b"\0", b"\3"]
            summary = await end(box)
            assert summary.dropped == 2
            assert comments(box, LEFT_CAPTURE)[1:3] == [
                "#2 dropped: droplist",
                "#3 dropped: droplist",
            ]
            assert [one.split()[0] for one in comments(box, RIGHT_CAPTURE)] == ["#1", "#4"]

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_tcp_uses_the_same_link_without_a_number() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            listener = hosts.server.inside(socket.create_server, (SERVER.ipv4, 80))
            client = hosts.client.inside(socket.create_connection, (SERVER.ipv4, 80), timeout=5)
            with listener, client, listener.accept()[0] as server:
                client.sendall(b"over tcp")
                assert server.recv(100) == b"over tcp"
            await end(box)
            found = comments(box, LEFT_CAPTURE)
            assert len(found) >= 4
            assert all(one.startswith("delivered after ") for one in found)

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_the_ecn_field_and_the_hop_limit_are_left_alone() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)
                server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
                client.sendto(b"marked", (SERVER.ipv4, 443))
                _, ((_, _, tos),), _, _ = server.recvmsg(100, 100)
            assert tos == b"\2"
            await end(box)
            (one,) = packets(box, RIGHT_CAPTURE)
            assert one.frame[22] == 64

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_packets_to_the_middlebox_itself_are_neither_forwarded_nor_captured() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            for host, interface in ((hosts.client, SIM_LEFT), (hosts.server, SIM_RIGHT)):
                for address in (interface.ipv4, interface.ipv6):
                    assert await asyncio.to_thread(is_open, host, address)
                with host.udp() as sender:
                    sender.sendto(b"for the sim", (interface.ipv4, 9))
                    sender.sendto(b"for the other end of the sim", (SIM_RIGHT.ipv4, 9))
            summary = await end(box)
            assert summary.forwarded == Forwarded(to_client=0, to_server=0)
            assert comments(box, LEFT_CAPTURE) == comments(box, RIGHT_CAPTURE) == []

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def is_open(host: Host, address: str) -> bool:
    """As client images find out whether they may start."""
    connection = host.inside(socket.create_connection, (address, SIM_READY_PORT), timeout=5)
    with connection:
        return connection.recv(10) == b""


@pytest.mark.parametrize("address", [SERVER.ipv4, SERVER.ipv6])
def test_a_server_is_ready_when_it_answers_on_either_address(address: str) -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT, probe_timeout_s=10) as box:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: QuicServer(configuration=quic_sample.server_configuration()),
                sock=hosts.server.udp(address, SERVER_PORT, ipv6=":" in address),
            )
            assert await box.channel.server_ready()
            transport.close()
            summary = await end(box)
            assert summary.forwarded == Forwarded(to_client=0, to_server=0)
            assert comments(box, RIGHT_CAPTURE) == []

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_a_server_that_never_answers_is_silent() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT, probe_timeout_s=0.3) as box:
            assert not await box.channel.server_ready()
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                client.sendto(b"still carries", (SERVER.ipv4, 443))
                assert server.recv(100) == b"still carries"
            await end(box)

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_after_all_is_delivered(number: signal.Signals) -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT, probe_timeout_s=10) as box:
            with hosts.client.udp() as client:
                client.sendto(b"in flight", (SERVER.ipv4, 443))
            box.process.send_signal(number)
            assert await box.process.wait() == 0
            assert (await box.channel.finish()).forwarded.to_server == 1

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_a_killed_middlebox_is_an_error_at_once() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            box.process.kill()
            with pytest.raises(MiddleboxError, match="ended before it finishes"):
                await box.channel.finish()

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_forwarding_goes_on_when_a_capture_is_full() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT, capture_limit=3000) as box:
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                for _ in range(5):
                    client.sendto(ONE_MS, (SERVER.ipv4, 443))
                for _ in range(5):
                    server.recv(2000)
            summary = await box.channel.finish()
            assert summary.forwarded.to_server == 5
            assert summary.truncated == "left capture: limit of 3000 bytes reached"
            assert len(packets(box, LEFT_CAPTURE)) == 2

    with three_hosts() as hosts:
        asyncio.run(story(hosts))


def test_an_oversized_frame_is_dropped_with_the_reason() -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT) as box:
            with hosts.client.udp() as client:
                client.setsockopt(socket.IPPROTO_UDP, 103, 1200)  # UDP_SEGMENT
                client.sendto(bytes(6000), (SERVER.ipv4, 443))
            assert (await end(box)).dropped == 1
            (one,) = packets(box, LEFT_CAPTURE)
            assert one.comment == "#1 dropped: larger than the MTU"
            assert one.original_length == 6000 + 42

    with three_hosts(offload=True) as hosts:
        asyncio.run(story(hosts))


@pytest.mark.tshark
def test_wireshark_reads_what_was_captured(tmp_path: Path) -> None:
    async def story(hosts: ThreeHosts) -> None:
        async with middlebox(hosts, DEFAULT, seed=42) as box:
            with hosts.client.udp() as client, hosts.server.udp(port=443) as server:
                client.sendto(b"hello", (SERVER.ipv4, 443))
                server.recv(100)
            await end(box)
            assert not finish(box.captures / RIGHT_CAPTURE, tmp_path / "right.pcap", b"")

    with three_hosts() as hosts:
        asyncio.run(story(hosts))
    fields = ("eth.src", "eth.dst", "ip.dst", "udp.checksum.status", "frame.comment")
    chosen = [word for field in fields for word in ("-e", field)]
    command = ("tshark", "-n", "-o", "udp.check_checksum:TRUE", "-T", "fields", *chosen, "-r")
    shown = subprocess.run(
        (*command, str(tmp_path / "right.pcap")), capture_output=True, text=True, check=True
    ).stdout.rstrip("\n")
    *addresses, status, comment = shown.split("\t")
    assert addresses == [SIM_RIGHT.mac, SERVER.mac, SERVER.ipv4]
    assert status == "1"
    assert comment.startswith("#1 delivered after ")


@pytest.mark.parametrize("ipv6", [False, True])
def test_it_could_forward_a_hundred_megabits_per_second(ipv6: bool) -> None:
    count, payload = 20_000, bytes(1252)

    async def story(hosts: ThreeHosts) -> float:
        scenario = "simple-p2p --delay=0ms --bandwidth=10Gbps --queue=1000"
        async with middlebox(hosts, scenario) as box:
            address = SERVER.ipv6 if ipv6 else SERVER.ipv4
            with (
                hosts.client.udp(ipv6=ipv6) as client,
                hosts.server.udp(port=443, ipv6=ipv6) as server,
            ):
                client.connect((address, 443))
                began = cpu_seconds(box.process.pid)
                for number in range(count):
                    client.send(payload)
                    if number >= 256:  # so many at a time, so that no buffer is ever full
                        server.recv(2000)
                seconds = cpu_seconds(box.process.pid) - began
            assert (await end(box)).forwarded.to_server == count
            return seconds

    # Its CPU time, since others use the machine too.
    with three_hosts() as hosts:
        seconds = asyncio.run(story(hosts))
    assert seconds < count * len(payload) * 8 / 100e6


def cpu_seconds(pid: int) -> float:
    """How long a process has run on a CPU until now (proc(5), /proc/PID/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
