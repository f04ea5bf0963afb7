from __future__ import annotations

import select
import socket
import time

import pytest

from quicmatrix.runner.network.middlebox.frame import mac_bytes
from quicmatrix.runner.network.middlebox.port import Port, Received
from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT
from tests.support import frames
from tests.support.three_hosts import ThreeHosts, three_hosts

pytestmark = pytest.mark.netns


def port_of(hosts: ThreeHosts) -> Port:
    return hosts.sim.inside(Port, "eth0", mac_bytes(CLIENT.mac))


def received(port: Port) -> list[Received]:
    assert select.select([port], (), (), 5)[0]
    return list(port.receive())


def test_a_datagram_comes_with_the_kernels_time() -> None:
    with three_hosts() as hosts, port_of(hosts) as port, hosts.client.udp() as client:
        before = time.monotonic_ns()
        client.sendto(b"hello", (SERVER.ipv4, 443))
        after = time.monotonic_ns()
        (one,) = received(port)
        # Both clocks were read in turn, which takes well below a millisecond of their difference.
        assert before - 1_000_000 < one.time_ns < after + 1_000_000
        assert one.frame.endswith(b"hello")
        assert one.original_length == len(one.frame)
        assert one.headers.destination == socket.inet_aton(SERVER.ipv4)


def test_only_frames_to_its_mac_address_are_received() -> None:
    with three_hosts() as hosts, port_of(hosts) as port:
        with hosts.client.inside(socket.socket, socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("eth0", 0))
            frame = frames.udp(b"mine")
            arp = frame[:12] + b"\x08\x06" + frame[14:]
            for one in (b"\xff" * 6 + frame[6:], mac_bytes(SERVER.mac) + frame[6:], arp, frame):
                raw.send(one)
        assert [one.frame for one in received(port)] == [frame]


def test_what_it_sends_reaches_the_other_end_and_not_itself() -> None:
    with three_hosts() as hosts, port_of(hosts) as port, hosts.client.udp(port=1234) as client:
        answer = frames.udp(b"answer", SERVER.ipv4, CLIENT.ipv4, (443, 1234))
        frame = port.readdressed(answer)
        assert frame[:12] == mac_bytes(CLIENT.mac) + mac_bytes(SIM_LEFT.mac)
        assert port.send(frame) == ""
        assert client.recv(100) == b"answer"
        assert list(port.receive()) == []


def test_a_frame_that_does_not_fit_is_refused_with_the_reason() -> None:
    with three_hosts() as hosts, port_of(hosts) as port:
        assert port.send(port.readdressed(frames.udp(bytes(1473)))) == "larger than the MTU"


def test_an_interface_that_is_down_is_refused_with_the_reason() -> None:
    with three_hosts() as hosts, port_of(hosts) as port:
        hosts.sim.ip("link set eth0 down")
        assert port.send(port.readdressed(frames.udp(b""))) == "interface down"


def test_a_checksum_that_the_sender_left_to_its_interface_is_filled_in() -> None:
    with (
        three_hosts(offload=True) as hosts,
        port_of(hosts) as port,
        hosts.client.udp(port=50_000) as client,
    ):
        client.sendto(b"hello", (SERVER.ipv4, 443))
        (one,) = received(port)
    assert one.frame[34:] == frames.udp(b"hello")[34:]


def test_frames_that_the_kernel_dropped_are_counted() -> None:
    with three_hosts() as hosts, port_of(hosts) as port, hosts.client.udp() as client:
        port._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        for _ in range(50):
            client.sendto(bytes(1200), (SERVER.ipv4, 443))
        kept = len(received(port))
        assert 0 < kept < 16
        assert port.dropped() == 50 - kept
        assert port.dropped() == 50 - kept
