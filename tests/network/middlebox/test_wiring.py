from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from quicmatrix.runner.network.middlebox import wiring
from quicmatrix.runner.network.topology import CLIENT, SERVER
from tests.support.three_hosts import Host, ThreeHosts, three_hosts

NOBODY = "193.167.0.77"


@pytest.fixture
def hosts() -> Iterator[ThreeHosts]:
    with three_hosts() as hosts:
        yield hosts


def call(host: Host, expression: str) -> str:
    """What a function of the module says on that host, where ip and all sockets are."""
    program = f"from quicmatrix.runner.network import wiring; print({expression})"
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
    assert call(hosts.sim, "wiring.interfaces()") == "('eth7', 'eth0')"


@pytest.mark.netns
def test_a_missing_network_is_named(hosts: ThreeHosts) -> None:
    hosts.sim.ip("address del 193.167.100.2/24 dev eth1")
    assert "no interface has the address 193.167.100.2" in call(hosts.sim, "wiring.interfaces()")


@pytest.mark.netns
def test_a_kernel_that_forwards_is_kept_from_it(hosts: ThreeHosts) -> None:
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

        assert call(hosts.sim, "wiring.bar_shortcuts('eth0', 'eth1')") == "None"

        client4.sendto(b"after", (SERVER.ipv4, 443))
        client6.sendto(b"after", (SERVER.ipv6, 443))
        # What is for the middlebox itself was sent later, and is there: so the others are not late.
        client4.sendto(b"to the sim", ("193.167.0.2", 57))
        assert sim.recv(99) == b"to the sim"
        for server in (server4, server6):
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.recv(99)


@pytest.mark.netns
def test_a_kernel_that_cannot_be_kept_from_it_is_refused(hosts: ThreeHosts) -> None:
    forwards(hosts.sim)
    weak = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    program = "from quicmatrix.runner.network import wiring; wiring.bar_shortcuts('eth0', 'eth1')"
    done = subprocess.run(
        hosts.sim.command(*weak, sys.executable, "-P", "-c", program),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"the kernel would forward from eth0 to {SERVER.ipv4} itself" in done.stderr


@pytest.mark.netns
def test_neighbours_are_asked_for_and_the_silent_ones_are_everybody(hosts: ThreeHosts) -> None:
    hosts.sim.ip(f"neigh del {CLIENT.ipv4} dev eth0", f"neigh del {SERVER.ipv4} dev eth1")
    wanted = {CLIENT.ipv4: "eth0", SERVER.ipv4: "eth1", NOBODY: "eth0"}
    found = call(hosts.sim, f"wiring.neighbours({wanted!r}, 1.0)")
    assert found == str(
        {CLIENT.ipv4: CLIENT.mac, SERVER.ipv4: SERVER.mac, NOBODY: wiring.EVERYBODY}
    )


@pytest.mark.parametrize("state", ["REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT"])
def test_a_known_neighbour_has_an_address(state: str) -> None:
    assert wiring.mac_of(json.dumps([{"lladdr": CLIENT.mac, "state": [state]}])) == CLIENT.mac


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
    assert not wiring.mac_of(table)
