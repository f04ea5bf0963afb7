from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from quicmatrix.runner.network.container_interfaces import BROADCAST_MAC, parse_neighbour
from quicmatrix.runner.network.topology import CLIENT, SERVER
from tests.support.three_hosts import Host, ThreeHosts, three_hosts

UNUSED = "193.167.0.77"


@pytest.fixture
def hosts() -> Iterator[ThreeHosts]:
    with three_hosts() as hosts:
        yield hosts


def call(host: Host, expression: str) -> str:
    """What a call of the module's functions returns on that host."""
    program = f"from quicmatrix.runner.network.container_interfaces import *; print({expression})"
    done = subprocess.run(
        host.command(sys.executable, "-P", "-c", program),
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).strip()


def forwards(host: Host) -> None:
    for switch in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
        subprocess.run(host.command("sysctl", "-qw", switch), check=True)


@pytest.mark.netns
def test_interfaces_are_found_by_address_whatever_their_names(hosts: ThreeHosts) -> None:
    hosts.sim.ip(
        "link set eth0 name middle", "link set middle name eth7", "link set eth1 name eth0"
    )
    assert call(hosts.sim, "interfaces()") == "('eth7', 'eth0')"


@pytest.mark.netns
def test_a_missing_network_is_named(hosts: ThreeHosts) -> None:
    hosts.sim.ip("address del 193.167.100.2/24 dev eth1")
    assert "no interface has the address 193.167.100.2" in call(hosts.sim, "interfaces()")


@pytest.mark.netns
def test_the_kernel_is_prevented_from_forwarding(hosts: ThreeHosts) -> None:
    forwards(hosts.sim)
    with (
        hosts.client.udp() as client4,
        hosts.client.udp(ipv6=True) as client6,
        hosts.server.udp(SERVER.ipv4, 443) as server4,
        hosts.server.udp(SERVER.ipv6, 443, ipv6=True) as server6,
        hosts.sim.udp("", 57) as sim,
    ):
        client4.sendto(b"before", (SERVER.ipv4, 443))
        client6.sendto(b"before", (SERVER.ipv6, 443))
        assert server4.recv(99) == server6.recv(99) == b"before"

        assert call(hosts.sim, "prevent_kernel_forwarding('eth0', 'eth1')") == "None"

        client4.sendto(b"after", (SERVER.ipv4, 443))
        client6.sendto(b"after", (SERVER.ipv6, 443))
        # This is sent last and arrives: so the other two would have arrived, too.
        client4.sendto(b"to the sim", ("193.167.0.2", 57))
        assert sim.recv(99) == b"to the sim"
        for server in (server4, server6):
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.recv(99)


@pytest.mark.netns
def test_a_kernel_that_still_forwards_is_an_error(hosts: ThreeHosts) -> None:
    forwards(hosts.sim)
    weak = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    program = (
        "from quicmatrix.runner.network.container_interfaces import prevent_kernel_forwarding\n"
        "prevent_kernel_forwarding('eth0', 'eth1')"
    )
    done = subprocess.run(
        hosts.sim.command(*weak, sys.executable, "-P", "-c", program),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"the kernel would forward from eth0 to {SERVER.ipv4} itself" in done.stderr


@pytest.mark.netns
def test_mac_addresses_are_resolved_and_unknown_ones_are_broadcast(hosts: ThreeHosts) -> None:
    hosts.sim.ip(f"neigh del {CLIENT.ipv4} dev eth0", f"neigh del {SERVER.ipv4} dev eth1")
    wanted = {CLIENT.ipv4: "eth0", SERVER.ipv4: "eth1", UNUSED: "eth0"}
    found = call(hosts.sim, f"mac_addresses({wanted!r}, 1.0)")
    assert found == str(
        {
            CLIENT.ipv4: CLIENT.mac,
            SERVER.ipv4: SERVER.mac,
            UNUSED: BROADCAST_MAC,
        }
    )


@pytest.mark.parametrize("state", ["REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT"])
def test_a_known_neighbour_has_an_address(state: str) -> None:
    assert parse_neighbour(json.dumps([{"lladdr": CLIENT.mac, "state": [state]}])) == CLIENT.mac


@pytest.mark.parametrize(
    "table",
    [
        "",
        "[]",
        json.dumps([{"dst": CLIENT.ipv4, "state": ["INCOMPLETE"]}]),
        json.dumps([{"lladdr": CLIENT.mac, "state": ["FAILED"]}]),
    ],
)
def test_an_unknown_neighbour_has_none(table: str) -> None:
    assert not parse_neighbour(table)
