"""A NAT in front of the client that forgets its bindings: every flow goes on from another port.

A flow is what the client sends from one address and port, to whomever. A time between two rebinds
is an *era*. Rules, those of quic-network-simulator's ``rebind``:

- A flow starts with the client's own port. At each rebind it gets a new one, and with ``moves`` the
  NAT takes another address of the client's network, the same for all flows.
- A flow has one binding in an era, and it is gone when the era is over: what the server still sends
  there is dropped.
- Addresses and ports change where packets leave the link. So what the client had in flight at a
  rebind arrives from the new port, and what the server had in flight is lost.
- The client always sees its own address and port.

Only UDP is translated. A new binding belongs to the seed, the flow's number and the era.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from quicmatrix.runner.network.impairments.fate import (
    PASSED,
    Copy,
    Direction,
    Dropped,
    Fate,
    Replaced,
)
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.rng import Purpose, roll
from quicmatrix.runner.network.middlebox.frame import (
    Endpoint,
    destination,
    source,
    with_destination,
    with_source,
)
from quicmatrix.runner.network.topology import CLIENT, SIM_LEFT

OLD_BINDING = Dropped("old binding")
NO_BINDING = Dropped("no binding")

_PORTS = range(49152, 65536)
"""The dynamic ones (RFC 6335, 6). Servers may distrust lower ones (RFC 9308, 8.1)."""
_GATEWAY = 1
"""Where a container network has the machine."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a flow looks like from outside, in one era."""

    inside: Endpoint
    outside: Endpoint
    era: int


class Rebinding:
    """The NAT."""

    def __init__(self, first_ns: int, every_ns: int, seed: int, *, moves: bool) -> None:
        """Begin with the client's own address.

        Args:
            first_ns: When it rebinds for the first time.
            every_ns: How long after each time it rebinds again; 0: never.
            seed: What the new ports and addresses depend on.
            moves: Whether the address changes as well.
        """
        self.first_ns = first_ns
        self.every_ns = every_ns
        self.moves = moves
        self._seed = seed
        self._hosts = _hosts(seed)
        self._flows: dict[Endpoint, tuple[int, int]] = {}
        """The number of each flow, from 1, and the era in which it began."""
        self._bindings: dict[tuple[Endpoint, int], Binding] = {}
        self._outside: dict[Endpoint, Binding] = {}
        """All bindings that there ever were."""

    def fate(self, arrival: Arrival) -> Fate:
        """Readdressed; dropped if it comes for a binding that is gone, or never was."""
        if arrival.index is None:
            return PASSED
        era = self._era(arrival.time_ns)
        if arrival.direction is Direction.TO_SERVER:
            return self._outbound(arrival, era)
        return self._inbound(arrival, era)

    def _outbound(self, arrival: Arrival, era: int) -> Fate:
        inside = source(arrival.frame, arrival.headers)
        binding = self._bindings.get((inside, era)) or self._bind(inside, era)
        if binding.outside == inside:
            return PASSED
        frame = with_source(arrival.frame, arrival.headers, binding.outside)
        return Replaced((Copy(frame, f"source now {_text(binding.outside)}"),))

    def _inbound(self, arrival: Arrival, era: int) -> Fate:
        outside = destination(arrival.frame, arrival.headers)
        binding = self._outside.get(outside)
        if binding is None:
            return NO_BINDING
        if binding.era != era:
            return OLD_BINDING
        if binding.inside == outside:
            return PASSED
        frame = with_destination(arrival.frame, arrival.headers, binding.inside)
        return Replaced((Copy(frame, f"destination now {_text(binding.inside)}"),))

    def _era(self, time_ns: int) -> int:
        """How many rebinds there were before."""
        if time_ns < self.first_ns:
            return 0
        return 1 + ((time_ns - self.first_ns) // self.every_ns if self.every_ns else 0)

    def _bind(self, inside: Endpoint, era: int) -> Binding:
        number, began = self._flows.setdefault(inside, (len(self._flows) + 1, era))
        address, port = self._address(inside[0], era), inside[1]
        if began != era:
            luck = roll(
                self._seed, Direction.TO_SERVER, number << 32 | era, len(_PORTS), Purpose.PORT
            )
            port = _PORTS[luck]
        while (address, port) in self._outside:
            port = port + 1 if port + 1 in _PORTS else _PORTS[0]
        binding = Binding(inside, (address, port), era)
        self._bindings[inside, era] = self._outside[binding.outside] = binding
        return binding

    def _address(self, own: bytes, era: int) -> bytes:
        """The NAT's, of the same version as the client's own."""
        if era == 0 or not self.moves:
            return own
        host = self._hosts[(era - 1) % len(self._hosts)]
        return own[:3] + bytes((host,)) if len(own) == 4 else own[:8] + host.to_bytes(8)


def _hosts(seed: int) -> list[int]:
    """The numbers of all free hosts in the client's network, shuffled."""
    taken = {_GATEWAY, *(ip_address(one.ipv4).packed[3] for one in (CLIENT, SIM_LEFT))}
    return sorted(
        set(range(1, 255)) - taken,
        key=lambda host: roll(seed, Direction.TO_SERVER, host, 1 << 64, Purpose.ADDRESS),
    )


def _text(endpoint: Endpoint) -> str:
    address, port = ip_address(endpoint[0]), endpoint[1]
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
