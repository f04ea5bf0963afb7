"""The decision about each packet: number it, put it on the link, apply the impairment.

This is all of the middlebox that decides anything, without sockets and without a clock.
"""

from __future__ import annotations

from typing import NamedTuple

from quicmatrix.runner.network.impairments.fate import Direction, Dropped, Fate, Passed
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.middlebox.frame import UDP, Headers
from quicmatrix.runner.network.scenarios.scenario import Scenario

MTU = 1500
"""Bytes of IP packet that fit; ns-3's default for the link, and Ethernet's."""

TOO_LARGE = Dropped("larger than the MTU")


class Delivery(NamedTuple):
    """A frame to be sent on the far side."""

    due_ns: int
    frame: bytes | None
    """None: the one that arrived."""
    change: str = ""


class ForwardingDecision(NamedTuple):
    """What is to be done with one packet."""

    number: int | None
    """It is the n-th UDP datagram of its direction, from 1; None if it is no UDP datagram."""
    waiting: int
    """How many packets were in the link's queue when it arrived."""
    fate: Dropped | tuple[Delivery, ...]


class Network:
    """Both directions of a scenario's network."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._impairment = scenario.impairment(seed)
        self._links = {direction: scenario.link() for direction in Direction}
        self._counts = dict.fromkeys(Direction, 0)
        self._began_ns: int | None = None

    def forward(
        self, direction: Direction, now_ns: int, frame: bytes, found: Headers
    ) -> ForwardingDecision:
        """Decide about a packet that arrived now; the time never goes back in a direction."""
        if self._began_ns is None:
            self._began_ns = now_ns
        number = self._next_number(direction) if found.protocol == UDP else None
        link = self._links[direction]
        waiting = link.waiting(now_ns)
        if found.ip_length > MTU:
            return ForwardingDecision(number, waiting, TOO_LARGE)
        due_ns = link.offer(now_ns, found.ip_length)
        if isinstance(due_ns, Dropped):
            return ForwardingDecision(number, waiting, due_ns)
        if self._impairment is None:
            return ForwardingDecision(number, waiting, (Delivery(due_ns, None),))
        arrival = Arrival(direction, number, due_ns - self._began_ns, frame, found)
        deliveries = _deliveries(due_ns, self._impairment.fate(arrival))
        return ForwardingDecision(number, waiting, deliveries)

    def _next_number(self, direction: Direction) -> int:
        self._counts[direction] += 1
        return self._counts[direction]


def _deliveries(due_ns: int, fate: Fate) -> Dropped | tuple[Delivery, ...]:
    match fate:
        case Dropped():
            return fate
        case Passed():
            return (Delivery(due_ns, None),)
        case _:
            return tuple(
                Delivery(due_ns + one.delay_ns, one.frame, one.change) for one in fate.copies
            )
