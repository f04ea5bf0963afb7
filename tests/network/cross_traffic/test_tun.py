from __future__ import annotations

import select
import socket
from pathlib import Path

import pytest

from quicmatrix.runner.network.cross_traffic.tun import Tun, new_namespace
from quicmatrix.runner.network.middlebox.frame import TCP, mac_bytes
from quicmatrix.runner.network.middlebox.port import Received
from quicmatrix.runner.network.topology import CLIENT, SIM_RIGHT, TCP_RECEIVER, TCP_SENDER
from tests.support import frames
from tests.support.real_root import needs_tun

pytestmark = [pytest.mark.netns, needs_tun]

PORT_MAC = mac_bytes(SIM_RIGHT.mac)


def namespace() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


def received(tun: Tun) -> list[Received]:
    assert select.select([tun], (), (), 5)[0]
    return list(tun.receive())


def test_a_namespace_is_left_again_after_an_exception() -> None:
    home = namespace()
    with new_namespace():
        assert namespace() != home
    assert namespace() == home
    with pytest.raises(ZeroDivisionError), new_namespace():
        1 / 0  # noqa: B018 - for its effect
    assert namespace() == home


def test_a_host_has_a_namespace_of_its_own() -> None:
    with new_namespace():
        tun = Tun(TCP_SENDER, PORT_MAC)
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with tun, other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        other.bind((TCP_SENDER.ipv4, 0))
        with pytest.raises(OSError, match="Cannot assign"):
            here.bind((TCP_SENDER.ipv4, 0))


def test_packets_of_a_host_have_the_mac_address_of_a_port() -> None:
    with new_namespace():
        tun = Tun(TCP_SENDER, PORT_MAC)
        host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with tun, host:
        host.bind((TCP_SENDER.ipv4, 1234))
        host.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: don't fragment, and id 0
        host.sendto(b"hello", (CLIENT.ipv4, 9))
        (one,) = [each for each in received(tun) if each.frame[12:14] == b"\x08\x00"]
        assert one.frame[:12] == PORT_MAC + mac_bytes(TCP_SENDER.mac)
        expected = frames.udp(b"hello", TCP_SENDER.ipv4, CLIENT.ipv4, (1234, 9))
        assert one.frame[26:] == expected[26:], "from the addresses on: the checksum is right, too"
        assert one.original_length == len(one.frame)


def test_what_is_sent_to_a_host_arrives() -> None:
    with new_namespace():
        tun = Tun(TCP_RECEIVER, PORT_MAC)
        host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with tun, host:
        host.settimeout(5)
        host.bind((TCP_RECEIVER.ipv4, 9))
        sent = tun.readdressed(frames.udp(b"hi", TCP_SENDER.ipv4, TCP_RECEIVER.ipv4, (5, 9)))
        assert sent[:12] == mac_bytes(TCP_RECEIVER.mac) + PORT_MAC
        assert tun.send(sent) == ""
        assert host.recvfrom(100) == (b"hi", (TCP_SENDER.ipv4, 5))


def test_tcp_segments_are_never_larger_than_the_mtu() -> None:
    with new_namespace():
        tun = Tun(TCP_SENDER, PORT_MAC)
        host = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with tun, host:
        host.setblocking(False)
        host.connect_ex((TCP_RECEIVER.ipv4, 5001))
        (syn,) = [one for one in received(tun) if one.headers.protocol == TCP]
        options = syn.frame[syn.headers.transport_at + 20 :]
        assert options[:4] == b"\x02\x04" + (1460).to_bytes(2)  # maximum segment size
