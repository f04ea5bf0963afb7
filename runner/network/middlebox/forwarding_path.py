"""One direction of forwarding: its ingress and egress interfaces, and which packets it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Protocol

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.middlebox.port import BATCH, Received
from quicmatrix.runner.network.topology import SIM_LEFT, SIM_RIGHT


class PacketInterface(Protocol):
    """An interface of the middlebox: a port to a real host, or a host of the middlebox's own."""

    def fileno(self) -> int:
        """For select()."""

    def receive(self, limit: int = BATCH) -> Iterator[Received]:
        """The next IP packets that arrive here."""

    def readdressed(self, frame: bytes) -> bytes:
        """The frame with the MAC addresses with which it is sent here."""

    def send(self, frame: bytes) -> str:
        """Send a frame as it is; why it could not be sent, or empty."""


class ForwardingPath:
    """Receives the packets of one direction and knows the egress interface of each."""

    def __init__(
        self,
        direction: Direction,
        ingress: tuple[PacketInterface, ...],
        egress: PacketInterface,
        networks: tuple[str, ...],
        hosts: Mapping[bytes, PacketInterface],
    ) -> None:
        """Connect two sides.

        Args:
            direction: The direction of its packets.
            ingress: Where packets arrive; they are read in this order.
            egress: Where packets leave.
            networks: The IPv4 and IPv6 networks of the far side.
            hosts: Addresses with an egress interface of their own.
        """
        self.direction = direction
        self.ingress = ingress
        self._egress = egress
        self._hosts = hosts
        parsed = [ip_network(network) for network in networks]
        self._prefixes = {one.network_address.packed[: one.prefixlen // 8] for one in parsed}
        self._last_ns = 0

    def receive(self, limit: int = BATCH) -> Iterator[Received]:
        """The next packets to forward; the time never goes back from one to the next."""
        for interface in self.ingress:
            for received in interface.receive(limit):
                if not self._is_forwarded(received.headers.destination):
                    continue
                if received.time_ns >= self._last_ns:
                    self._last_ns = received.time_ns
                    yield received
                else:
                    yield received._replace(time_ns=self._last_ns)

    def egress(self, destination: bytes) -> PacketInterface:
        """The interface through which packets to that address leave."""
        return self._hosts.get(destination, self._egress)

    def _is_forwarded(self, destination: bytes) -> bool:
        """Whether packets to that address are forwarded: it is a host of the far side.

        Not forwarded are packets to the middlebox itself, and multicast and link-local ones, such
        as those of neighbour discovery.
        """
        prefix = destination[:3] if len(destination) == 4 else destination[:8]
        return prefix in self._prefixes and destination not in _OWN_ADDRESSES


_OWN_ADDRESSES = frozenset(
    ip_address(address).packed
    for interface in (SIM_LEFT, SIM_RIGHT)
    for address in (interface.ipv4, interface.ipv6)
)
