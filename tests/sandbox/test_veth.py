from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT
from quicmatrix.runner.sandbox import veth
from tests.support.one_sandbox import one_sandbox

ETH_P_ALL = 3
SEND = """
import socket
for address in ("193.167.100.100", "fd00:cafe:cafe:100::100"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"hello, server" * 100, (address, 443))
"""


def test_the_batches_say_nothing_of_a_default_route() -> None:
    for text in (veth.side(CLIENT, SIM_LEFT), veth.side(SERVER, SIM_RIGHT), veth.sim(1, 2)):
        assert "default" not in text
    assert "netns 17 name eth0" in veth.sim(17, 18)
    assert "netns 18 name eth0" in veth.sim(17, 18)


@pytest.mark.netns
def test_everyone_has_the_addresses_and_neighbours_of_the_topology(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            show = "ip -o addr; ip neigh; ip -6 neigh; ip -o link"
            for host, interfaces, peers in (
                (stage.client, (CLIENT,), (SIM_LEFT,)),
                (stage.server, (SERVER,), (SIM_RIGHT,)),
                (stage.sim, (SIM_LEFT, SIM_RIGHT), (CLIENT, SERVER)),
            ):
                _, said = await stage.shell(host, show)
                for own, peer in zip(interfaces, peers, strict=True):
                    assert all(f"{own.name}    inet" in said for own in interfaces)
                    assert all(address in said for address in own.addresses)
                    assert f"link/ether {own.mac}" in said
                    for address in (peer.ipv4, peer.ipv6):
                        assert f"{address} dev {own.name} lladdr {peer.mac} PERMANENT" in said
                assert "fe80" not in said
                assert "tentative" not in said
                assert "lo    inet 127.0.0.1/8" in said

    asyncio.run(story())


@pytest.mark.netns
def test_nothing_but_the_other_side_can_be_reached(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            for host in stage.sandbox.hosts:
                _, said = await stage.shell(host, "ip route; ip -6 route")
                assert "default" not in said
                for address in ("198.51.100.1", "2001:db8::1"):
                    how, said = await stage.shell(host, f"ip route get {address}")
                    assert how.code == 2
                    assert "Network is unreachable" in said
            _, said = await stage.shell(stage.client, "ip route get 193.167.100.100")
            assert "via 193.167.0.2 dev eth0 src 193.167.0.100" in said
            _, said = await stage.shell(stage.server, "ip route get fd00:cafe:cafe::100")
            assert "via fd00:cafe:cafe:100::2 dev eth0" in said

    asyncio.run(story())


@pytest.mark.netns
def test_ipv6_works_at_once(tmp_path: Path) -> None:
    bind = """
import socket
for address in ("193.167.100.100", "fd00:cafe:cafe:100::100"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    socket.socket(family, socket.SOCK_DGRAM).bind((address, 443))
"""

    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            how, said = await stage.python(stage.server, bind)
            assert how.code == 0, said

    asyncio.run(story())


@pytest.mark.netns
def test_offloads_are_off_at_both_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            for host, names in (
                (stage.client, ["eth0"]),
                (stage.server, ["eth0"]),
                (stage.sim, ["eth0", "eth1"]),
            ):
                with veth.Ethtool(host.holder.namespaces["net"]) as ethtool:
                    for name in names:
                        on = ethtool.enabled(name)
                        assert on, "a veth has some features that cannot be switched off"
                        assert not [one for one in on if one.startswith(veth.OFFLOADS)]
                    assert [one for one in ethtool.enabled("lo") if one.startswith(veth.OFFLOADS)]

    asyncio.run(story())


@pytest.mark.netns
def test_only_what_was_sent_is_on_the_wire_and_no_one_answers_for_the_middlebox(
    tmp_path: Path,
) -> None:
    """Checksums are whole, and no ARP, no ICMP and no forwarding happens."""

    async def story() -> tuple[list[bytes], ...]:
        async with one_sandbox(tmp_path) as stage:
            places = ((stage.sim, "eth0"), (stage.sim, "eth1"), (stage.client, "eth0"))
            taps = [tap(host.holder.namespaces["net"], name) for host, name in places]
            how, said = await stage.python(stage.client, SEND)
            assert how.code == 0, said
            return tuple(frames(one) for one in taps)

    left, right, at_client = asyncio.run(story())
    assert len(left) == 2
    assert right == [], "the sim forwards nothing"
    assert at_client == [], "nothing comes back"
    for frame, header in zip(left, (20, 40), strict=True):
        assert frame[:12].hex(":") == f"{SIM_LEFT.mac}:{CLIENT.mac}"
        addresses = frame[26:34] if header == 20 else frame[22:54]
        udp = frame[14 + header :]
        assert ones_complement(addresses + struct.pack(">HH", 17, len(udp)) + udp) == 0xFFFF


def tap(namespace: int, interface: str) -> socket.socket:
    opened = veth.socket_in(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.bind((interface, ETH_P_ALL))
    opened.setblocking(False)
    return opened


def frames(opened: socket.socket) -> list[bytes]:
    """What has come in: what the host sends itself is seen by a tap, too, and left out."""
    found: list[bytes] = []
    with opened:
        while True:
            try:
                frame, (_, _, kind, *_) = opened.recvfrom(65536)
            except BlockingIOError:
                return found
            if kind != socket.PACKET_OUTGOING:
                found.append(frame)


def ones_complement(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
