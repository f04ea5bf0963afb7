"""NAT rebinding: a NAT in front of the client replaces all its bindings at given times.

A flow is all that the client sends from one address and port, to any destination. The number of
rebinds so far is the *generation* of a binding. Rules, those of quic-network-simulator's
``rebind``:

- A flow starts with the client's own port. At each rebind it gets a new one, and with
  ``changes_address`` the NAT takes another address of the client's network, the same for all flows.
- A flow has one binding in a generation. When the next generation begins, packets that the server
  still sends to the old one are dropped.
- Addresses and ports are translated where packets leave the link. So packets that the client had
  in flight at a rebind arrive from the new port, and those that the server had in flight are lost.
- The client always sees its own address and port.

Only UDP is translated. A new binding depends on the seed, the flow's number and the generation.
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
from quicmatrix.runner.network.impairments.rng import Purpose, random_below
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
"""The host that has the gateway's address in a container network."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A flow's address and port behind and before the NAT, in one generation."""

    inside: Endpoint
    outside: Endpoint
    generation: int


class Rebinding:
    """The NAT."""

    def __init__(self, first_ns: int, every_ns: int, seed: int, *, changes_address: bool) -> None:
        """Start with the client's own address.

        Args:
            first_ns: When it rebinds for the first time.
            every_ns: How long after each time it rebinds again; 0: never.
            seed: The seed of new ports and addresses.
            changes_address: Whether the address changes as well.
        """
        self.first_ns = first_ns
        self.every_ns = every_ns
        self.changes_address = changes_address
        self._seed = seed
        self._hosts = _hosts(seed)
        self._flows: dict[Endpoint, tuple[int, int]] = {}
        """The number of each flow, from 1, and the generation in which it began."""
        self._bindings: dict[tuple[Endpoint, int], Binding] = {}
        self._outside: dict[Endpoint, Binding] = {}
        """All bindings so far."""

    def fate(self, arrival: Arrival) -> Fate:
        """Readdressed; dropped if it is for an old binding, or for none."""
        if arrival.index is None:
            return PASSED
        generation = self._generation(arrival.time_ns)
        if arrival.direction is Direction.TO_SERVER:
            return self._outbound(arrival, generation)
        return self._inbound(arrival, generation)

    def _outbound(self, arrival: Arrival, generation: int) -> Fate:
        inside = source(arrival.frame, arrival.headers)
        binding = self._bindings.get((inside, generation)) or self._bind(inside, generation)
        if binding.outside == inside:
            return PASSED
        frame = with_source(arrival.frame, arrival.headers, binding.outside)
        return Replaced((Copy(frame, f"source now {_text(binding.outside)}"),))

    def _inbound(self, arrival: Arrival, generation: int) -> Fate:
        outside = destination(arrival.frame, arrival.headers)
        binding = self._outside.get(outside)
        if binding is None:
            return NO_BINDING
        if binding.generation != generation:
            return OLD_BINDING
        if binding.inside == outside:
            return PASSED
        frame = with_destination(arrival.frame, arrival.headers, binding.inside)
        return Replaced((Copy(frame, f"destination now {_text(binding.inside)}"),))

    def _generation(self, time_ns: int) -> int:
        """How many rebinds there were until then."""
        if time_ns < self.first_ns:
            return 0
        return 1 + ((time_ns - self.first_ns) // self.every_ns if self.every_ns else 0)

    def _bind(self, inside: Endpoint, generation: int) -> Binding:
        number, began = self._flows.setdefault(inside, (len(self._flows) + 1, generation))
        address, port = self._address(inside[0], generation), inside[1]
        if began != generation:
            offset = random_below(
                self._seed,
                Direction.TO_SERVER,
                number << 32 | generation,
                len(_PORTS),
                Purpose.PORT,
            )
            port = _PORTS[offset]
        while (address, port) in self._outside:
            port = port + 1 if port + 1 in _PORTS else _PORTS[0]
        binding = Binding(inside, (address, port), generation)
        self._bindings[inside, generation] = self._outside[binding.outside] = binding
        return binding

    def _address(self, own: bytes, generation: int) -> bytes:
        """The NAT's, of the same version as the client's own."""
        if generation == 0 or not self.changes_address:
            return own
        host = self._hosts[(generation - 1) % len(self._hosts)]
        return own[:3] + bytes((host,)) if len(own) == 4 else own[:8] + host.to_bytes(8)


def _hosts(seed: int) -> list[int]:
    """The numbers of all free hosts in the client's network, shuffled."""
    taken = {_GATEWAY, *(ip_address(one.ipv4).packed[3] for one in (CLIENT, SIM_LEFT))}
    return sorted(
        set(range(1, 255)) - taken,
        key=lambda host: random_below(seed, Direction.TO_SERVER, host, 1 << 64, Purpose.ADDRESS),
    )


def _text(endpoint: Endpoint) -> str:
    address, port = ip_address(endpoint[0]), endpoint[1]
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
