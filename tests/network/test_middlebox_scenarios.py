"""Every scenario, on a real link between real hosts."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.capture import finish
from quicmatrix.runner.network.control import Summary
from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.middlebox.frame import TCP, UDP
from quicmatrix.runner.network.recording.link_log import (
    Delivered,
    LinkEntry,
    LinkLog,
    read_link_log,
)
from quicmatrix.runner.network.recording.recorder import LEFT_CAPTURE, LINK_LOG, RIGHT_CAPTURE
from quicmatrix.runner.network.topology import (
    CLIENT,
    SERVER,
    TCP_RECEIVER,
    TCP_RECEIVER_PORT,
    TCP_SENDER,
)
from tests.support.three_hosts import RunningMiddlebox, ThreeHosts, middlebox, three_hosts

pytestmark = pytest.mark.netns

FAST = "--delay=1ms --bandwidth=1Gbps --queue=1000"
DEFAULT = "--delay=15ms --bandwidth=10Mbps --queue=25"
BOTH = "--rate_to_client=30 --rate_to_server=30"
COUNT = 100
TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER

both_versions = pytest.mark.parametrize("ipv6", [False, True])


class Ends:
    """A client and a server that know each other."""

    def __init__(self, hosts: ThreeHosts, *, ipv6: bool) -> None:
        self.client = hosts.client.udp(ipv6=ipv6)
        self.server = hosts.server.udp(port=443, ipv6=ipv6)
        self.server_address = (SERVER.ipv6 if ipv6 else SERVER.ipv4, 443)
        self.own_address = CLIENT.ipv6 if ipv6 else CLIENT.ipv4

    def close(self) -> None:
        self.client.close()
        self.server.close()


Story = Callable[[RunningMiddlebox, Ends], Awaitable[None]]


def play(scenario: str, story: Story, *, ipv6: bool = False, seed: int = 1) -> None:
    async def both() -> None:
        async with middlebox(hosts, scenario, seed=seed) as box:
            ends = Ends(hosts, ipv6=ipv6)
            try:
                await story(box, ends)
            finally:
                ends.close()

    with three_hosts() as hosts:
        asyncio.run(both())


async def end(box: RunningMiddlebox) -> Summary:
    summary = await box.channel.finish()
    assert await box.process.wait() == 0
    assert not summary.kernel_drops
    assert not summary.truncated
    return summary


def log_of(box: RunningMiddlebox) -> LinkLog:
    return read_link_log(box.captures / LINK_LOG)


def payload(number: int) -> bytes:
    """A datagram that looks like a short header, has its number, and shows any change."""
    return bytes([0x40, number]) * 40


def all_that_came(receiver: socket.socket, count: int) -> list[bytes]:
    came = [receiver.recv(2000) for _ in range(count)]
    receiver.settimeout(0)
    with pytest.raises(BlockingIOError):
        receiver.recv(2000)
    receiver.settimeout(5)
    return came


def shown(box: RunningMiddlebox, name: str, *fields: str) -> Iterator[list[str]]:
    """What tshark reads from a capture."""
    out = box.captures / "sorted.pcapng"
    assert not finish(box.captures / name, out, b"")
    chosen = [word for field in fields for word in ("-e", field)]
    options = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    command = ("tshark", "-n", *options, "-T", "fields", *chosen, "-r", str(out))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        yield line.split("\t")


@both_versions
@pytest.mark.tshark
def test_damaged_datagrams_arrive_and_their_checksums_are_right(ipv6: bool) -> None:
    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        for number in range(COUNT):
            ends.client.sendto(payload(number), ends.server_address)
        first, source = ends.server.recvfrom(2000)
        for number in range(COUNT):
            ends.server.sendto(payload(number), source)
        came = {
            TO_SERVER: [first, *all_that_came(ends.server, COUNT - 1)],
            TO_CLIENT: all_that_came(ends.client, COUNT),
        }
        assert (await end(box)).dropped == 0
        log = log_of(box)
        for direction, datagrams in came.items():
            for entry in of(log, direction):
                assert entry.number is not None
                assert isinstance(entry.fate, Delivered)
                change = entry.fate.change
                assert damage(payload(entry.number - 1), datagrams[entry.number - 1]) == change
            changed = sum(one != payload(number) for number, one in enumerate(datagrams))
            assert 15 <= changed <= 45, "30, within more than three standard deviations"
        fields = ("udp.checksum.status", "frame.comment")
        left, right = (list(shown(box, name, *fields)) for name in (LEFT_CAPTURE, RIGHT_CAPTURE))
        assert {status for status, _ in (*left, *right)} == {"1"}
        assert sorted(comment for _, comment in left) == sorted(comment for _, comment in right)
        assert sum("changed from" in comment for _, comment in left) == sum(
            one.fate.change != "" for one in log.entries if isinstance(one.fate, Delivered)
        )

    play(f"corrupt-rate {FAST} {BOTH}", story, ipv6=ipv6)


def of(log: LinkLog, direction: Direction) -> list[LinkEntry]:
    return [one for one in log.entries if one.direction is direction]


def damage(sent: bytes, came: bytes) -> str:
    """What happened to a datagram, in the middlebox's words."""
    assert len(sent) == len(came)
    changes = [at for at, pair in enumerate(zip(sent, came, strict=True)) if pair[0] != pair[1]]
    assert len(changes) <= 1
    return "".join(f"byte {at} changed from {sent[at]:#04x} to {came[at]:#04x}" for at in changes)


@pytest.mark.parametrize("scenario", ["drop-rate", "corrupt-rate", "reorder", "duplicate"])
def test_the_same_seed_does_the_same_to_the_same_datagrams(scenario: str) -> None:
    runs: list[list[tuple[int | None, object]]] = []

    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        client_address = (ends.own_address, ends.client.getsockname()[1])
        for number in range(COUNT):
            ends.client.sendto(payload(number), ends.server_address)
            if len(runs) == 1:  # the second time, the other direction is busy as well
                ends.server.sendto(payload(number), client_address)
        await end(box)
        log = log_of(box)
        assert len(of(log, TO_CLIENT)) >= COUNT * (len(runs) == 1) // 2
        runs.append(sorted((one.number, outcome(one)) for one in of(log, TO_SERVER)))

    for seed in (5, 5, 6):
        play(f"{scenario} {FAST} {BOTH}", story, seed=seed)
    assert len({number for number, _ in runs[0]}) == COUNT
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def outcome(entry: LinkEntry) -> tuple[str, bool]:
    """What became of a packet, but for when."""
    if isinstance(entry.fate, Dropped):
        return f"dropped: {entry.fate.reason}", False
    return entry.fate.change, entry.fate.duplicate


@both_versions
@pytest.mark.tshark
@pytest.mark.parametrize("moves", [False, True])
def test_a_rebind_is_seen_by_the_server_alone(ipv6: bool, moves: bool) -> None:
    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        sources = [ping(ends)]
        while len(set(sources)) < 3:  # two rebinds
            sources.append(ping(ends))
            for old in set(sources) - {sources[-1]}:
                ends.server.sendto(b"to an old binding", old)
        own = (ends.own_address, ends.client.getsockname()[1])
        assert sources[0] == own
        ports, addresses = ({source[at] for source in sources} for at in (1, 0))
        assert len(ports) == 3
        assert len(addresses) == (3 if moves else 1)
        assert (await end(box)).dropped >= 2
        log = log_of(box)
        dropped = [one.fate for one in of(log, TO_CLIENT) if isinstance(one.fate, Dropped)]
        assert set(dropped) == {Dropped("old binding")}

        ip = ("ipv6.src", "ipv6.dst") if ipv6 else ("ip.src", "ip.dst", "ip.checksum.status")
        fields = (*ip, "udp.srcport", "udp.dstport", "udp.checksum.status", "frame.comment")
        left = [packet(one) for one in shown(box, LEFT_CAPTURE, *fields)]
        right = [packet(one) for one in shown(box, RIGHT_CAPTURE, *fields)]
        seen_left = {one[:4] for one in left}
        assert seen_left == {
            (own[0], ends.server_address[0], *map(str, (own[1], 443))),
            (ends.server_address[0], own[0], *map(str, (443, own[1]))),
        }
        outside = {(one[0], int(one[2])) for one in right if one[3] == "443"}
        assert outside == set(sources)
        comments = [one[4] for one in right]
        assert sum(one.endswith(" dropped: old binding") for one in comments) == len(dropped)
        last = sources[-1]
        shown_as = f"[{last[0]}]:{last[1]}" if ipv6 else f"{last[0]}:{last[1]}"
        assert any(one.endswith(f"source now {shown_as}") for one in comments)

    flag = "--rebind-addr" if moves else ""
    play(f"rebind {FAST} --first-rebind=200ms --rebind-freq=200ms {flag}", story, ipv6=ipv6)


def ping(ends: Ends) -> tuple[str, int]:
    """There and back again; where the server saw it come from.

    Once every 10,000 or so the NAT rebinds in between, and there is no way back.
    """
    ends.client.sendto(b"ping", ends.server_address)
    asked, (address, port, *_) = ends.server.recvfrom(100)
    assert asked == b"ping"
    ends.server.sendto(b"pong", (address, port))
    ends.client.settimeout(0.1)
    try:
        answer, server = ends.client.recvfrom(100)
    except TimeoutError:
        return address, port
    assert answer == b"pong"
    assert server[:2] == ends.server_address
    return address, port


def packet(fields: list[str]) -> tuple[str, str, str, str, str]:
    """Addresses, ports and the comment; the checksums are right."""
    source, destination, *statuses, source_port, destination_port, status, comment = fields
    assert {*statuses, status} == {"1"}
    return source, destination, source_port, destination_port, comment


@both_versions
def test_reordered_datagrams_all_arrive_once_and_late(ipv6: bool) -> None:
    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        for number in range(COUNT):
            ends.client.sendto(payload(number), ends.server_address)
        came = all_that_came(ends.server, COUNT)
        assert sorted(came) == [payload(number) for number in range(COUNT)]
        assert came != sorted(came)
        assert (await end(box)).dropped == 0
        held = [
            one for one in log_of(box).entries if outcome(one) == ("held back for 20 ms", False)
        ]
        assert 15 <= len(held) <= 45
        order = [one[1] + 1 for one in came]
        for one in held:
            assert isinstance(one.fate, Delivered)
            assert one.fate.time_ns - one.offered_ns >= 21_000_000
        overtaken = [later for before, later in pairwise(order) if before > later]
        assert set(overtaken) <= {one.number for one in held}

    play(f"reorder {FAST} {BOTH} --gap=20ms", story, ipv6=ipv6)


@both_versions
def test_duplicated_datagrams_arrive_twice(ipv6: bool) -> None:
    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        for number in range(COUNT):
            ends.client.sendto(payload(number), ends.server_address)
        summary = await end(box)
        came = all_that_came(ends.server, summary.forwarded.to_server)
        log = log_of(box)
        twice = {one.number for one in log.entries if outcome(one) == ("first of two", False)}
        assert twice == {one.number for one in log.entries if outcome(one) == ("", True)}
        assert 15 <= len(twice) <= 45
        expected = [number for number in range(COUNT) for _ in range(1 + (number + 1 in twice))]
        assert [one[1] for one in came] == expected

    play(f"duplicate {FAST} {BOTH}", story, ipv6=ipv6)


@both_versions
@pytest.mark.tshark
def test_a_tcp_flow_shares_the_bottleneck_with_datagrams(ipv6: bool) -> None:
    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        client_address = (ends.own_address, ends.client.getsockname()[1])
        began = time.monotonic()
        sent = 0
        while (elapsed := time.monotonic() - began) < 2:
            while sent < elapsed * 400:  # 4 of the 10 Mbps
                ends.server.sendto(bytes(1250), client_address)
                sent += 1
            await asyncio.sleep(0.005)
        summary = await end(box)
        came = len(all_that_came(ends.client, summary.forwarded.to_client - tcp(box, TO_CLIENT)))
        assert sent * 0.8 < came <= sent

        traffic = summary.cross_traffic
        assert traffic is not None
        assert 1.9 < traffic.duration_s < 5
        assert 1_000 < traffic.goodput_kbps < 6_500
        assert len(traffic.bytes_per_second) == int(traffic.duration_s) + 1

        entries = of(log_of(box), TO_CLIENT)
        assert {one.number is None for one in entries if one.protocol == TCP} == {True}
        numbers = [one.number for one in entries if one.protocol == UDP]
        assert sorted(map(int, map(str, numbers))) == list(range(1, sent + 1))
        assert max(one.waiting for one in entries) == 26, "it fills the queue"
        assert {outcome(one)[0] for one in entries} == {"", "dropped: queue full"}
        due = sorted(
            (one.fate.due_ns, one.ip_length) for one in entries if isinstance(one.fate, Delivered)
        )
        for (before_ns, _), (due_ns, length) in pairwise(due):
            assert due_ns - before_ns >= (length + 2) * 800, "one after the other on one link"

        fields = ("ip.src", "ip.dst", "tcp.dstport", "tcp.len", "frame.comment")
        data = [one for one in shown(box, LEFT_CAPTURE, *fields) if one[3] not in {"", "0"}]
        flow = [TCP_SENDER.ipv4, TCP_RECEIVER.ipv4, str(TCP_RECEIVER_PORT)]
        assert {tuple(one[:3]) for one in data} == {tuple(flow)}
        assert all(one[4].startswith("delivered after ") for one in data)
        assert sum(int(one[3]) for one in data) >= traffic.received_bytes

    play(f"tcp-cross-traffic {DEFAULT}", story, ipv6=ipv6)


def tcp(box: RunningMiddlebox, direction: Direction) -> int:
    """How many TCP segments were delivered."""
    return sum(
        one.protocol == TCP and isinstance(one.fate, Delivered)
        for one in of(log_of(box), direction)
    )


def test_a_tcp_flow_needs_no_process_and_no_interface_of_the_sim() -> None:
    async def story(box: RunningMiddlebox, ends: Ends) -> None:
        for _ in range(10):
            ping(ends)
        assert children(box) == []
        assert interfaces(box) == ["eth0", "eth1", "lo"]
        summary = await end(box)
        assert summary.cross_traffic is not None
        assert summary.cross_traffic.received_bytes > 0

    play(f"tcp-cross-traffic {DEFAULT}", story)


def children(box: RunningMiddlebox) -> list[str]:
    pid = box.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def interfaces(box: RunningMiddlebox) -> list[str]:
    lines = Path(f"/proc/{box.process.pid}/net/dev").read_text(encoding="ascii").splitlines()
    return sorted(line.split(":")[0].strip() for line in lines[2:])


def test_a_tcp_flow_waits_for_the_server_as_clients_do() -> None:
    async def story() -> None:
        async with middlebox(hosts, f"tcp-cross-traffic {DEFAULT}", probe_timeout_s=0.2) as box:
            assert not await box.channel.server_ready()
            summary = await end(box)
            assert summary.cross_traffic is None
            assert not log_of(box).entries

    with three_hosts() as hosts:
        asyncio.run(story())
