"""One direction of the middlebox: where packets come in, which may cross, and where they go out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Protocol

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.middlebox.port import BATCH, Received
from quicmatrix.runner.network.topology import SIM_LEFT, SIM_RIGHT


class End(Protocol):
    """Hosts that packets come from and go to, behind an interface."""

    def fileno(self) -> int:
        """For select()."""

    def receive(self, limit: int = BATCH) -> Iterator[Received]:
        """The next IP packets that its hosts send."""

    def readdressed(self, frame: bytes) -> bytes:
        """The frame as it goes out here."""

    def send(self, frame: bytes) -> str:
        """Send a frame as it is; why it could not be sent, or empty."""


class Lane:
    """Brings packets from one side, and knows the ways on the other."""

    def __init__(
        self,
        direction: Direction,
        entries: tuple[End, ...],
        exit_: End,
        networks: tuple[str, ...],
        hosts: Mapping[bytes, End],
    ) -> None:
        """Connect two sides.

        Args:
            direction: Which way packets go.
            entries: Where they come in; the most punctual one first.
            exit_: Where they go out.
            networks: Those of the far side, for IPv4 and IPv6.
            hosts: Addresses that have an end of their own.
        """
        self.direction = direction
        self.entries = entries
        self._exit = exit_
        self._hosts = hosts
        parsed = [ip_network(network) for network in networks]
        self._prefixes = {one.network_address.packed[: one.prefixlen // 8] for one in parsed}
        self._last_ns = 0

    def receive(self, limit: int = BATCH) -> Iterator[Received]:
        """The next packets that may cross; the time never goes back from one to the next."""
        for entry in self.entries:
            for received in entry.receive(limit):
                if not self._leads_to(received.headers.destination):
                    continue
                if received.time_ns >= self._last_ns:
                    self._last_ns = received.time_ns
                    yield received
                else:
                    yield received._replace(time_ns=self._last_ns)

    def exit(self, destination: bytes) -> End:
        """Where the way to that address goes on."""
        return self._hosts.get(destination, self._exit)

    def _leads_to(self, destination: bytes) -> bool:
        """Whether that address is on the far side, and not the middlebox's own.

        So nothing of the middlebox's own traffic crosses, and no multicast or link-local packet,
        which ARP's successor and its relatives are made of.
        """
        prefix = destination[:3] if len(destination) == 4 else destination[:8]
        return prefix in self._prefixes and destination not in _OWN_ADDRESSES


_OWN_ADDRESSES = frozenset(
    ip_address(address).packed
    for interface in (SIM_LEFT, SIM_RIGHT)
    for address in (interface.ipv4, interface.ipv6)
)
