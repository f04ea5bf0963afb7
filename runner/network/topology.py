"""The topology of an attempt: its hosts, their interfaces, addresses and names.

::

    client  193.167.0.100  --left--  .2  sim  .2  --right--  193.167.100.100  server
            fd00:cafe:cafe:0::100    ::2      ::2            fd00:cafe:cafe:100::100

The addresses and names are quic-interop-runner's, so any image or command made for it finds its
peer. MAC addresses are ours and fixed, so that no ARP or neighbour discovery is ever needed. All of
this exists in namespaces without a route to anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """One end of a veth pair."""

    name: str
    mac: str
    ipv4: str
    ipv6: str

    @property
    def addresses(self) -> tuple[str, str]:
        """Both addresses, with their prefix lengths."""
        return f"{self.ipv4}/24", f"{self.ipv6}/64"


CLIENT = Interface("eth0", "02:c1:1e:00:00:64", "193.167.0.100", "fd00:cafe:cafe::100")
SIM_LEFT = Interface("eth0", "02:51:00:00:00:02", "193.167.0.2", "fd00:cafe:cafe::2")
SIM_RIGHT = Interface("eth1", "02:51:00:00:64:02", "193.167.100.2", "fd00:cafe:cafe:100::2")
SERVER = Interface("eth0", "02:5e:00:00:64:64", "193.167.100.100", "fd00:cafe:cafe:100::100")

TCP_RECEIVER = Interface("tun0", "02:c1:1e:00:00:5a", "193.167.0.90", "fd00:cafe:cafe::90")
TCP_SENDER = Interface("tun0", "02:5e:00:00:64:6e", "193.167.100.110", "fd00:cafe:cafe:100::110")
"""Hosts beside the client and the server, with tcp-cross-traffic only."""

CLIENT_NETWORKS = ("193.167.0.0/24", "fd00:cafe:cafe::/64")
SERVER_NETWORKS = ("193.167.100.0/24", "fd00:cafe:cafe:100::/64")
ROUTED_NETWORKS = ("193.167.0.0/16", "fd00:cafe:cafe::/48")
"""What a host reaches through the middlebox's address on its own link; nothing else is routed."""

SERVER_PORT = 443
TCP_RECEIVER_PORT = 5001
SIM_READY_PORT = 57832
"""TCP port that the sim opens once it captures; client images wait for it."""

NAMES: tuple[tuple[str, str], ...] = (
    (CLIENT.ipv4, "client client4 client46"),
    (CLIENT.ipv6, "client6 client46"),
    (SERVER.ipv4, "server server4 server46"),
    (SERVER.ipv6, "server6 server46"),
)


def hosts_file(sim: Interface) -> str:
    """The text of /etc/hosts on the host whose link ends at that interface of the sim."""
    lines = [("127.0.0.1", "localhost"), ("::1", "localhost ip6-localhost"), *NAMES]
    lines += [(sim.ipv4, "sim"), (sim.ipv6, "sim")]
    return "".join(f"{address}\t{names}\n" for address, names in lines)
