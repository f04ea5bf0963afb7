"""The way across: number each datagram, put it on the link, ask the impairment.

This is all of the middlebox that decides anything, without sockets and without a clock.
"""

from __future__ import annotations

from typing import NamedTuple

from runner.network.fate import Direction, Dropped, Passed
from runner.network.frame import ETHERNET_HEADER, UDP, Headers
from runner.network.impairment import Arrival
from runner.network.scenario import Scenario

MTU = 1500
"""Bytes of IP packet that fit; ns-3's default for the link, and Ethernet's."""

TOO_LARGE = Dropped("larger than the MTU")


class Delivery(NamedTuple):
    """Something to be sent on the far side."""

    due_ns: int
    packet: bytes | None
    """The IP packet; None: as it arrived."""
    change: str = ""


class Crossing(NamedTuple):
    """What was decided about one packet."""

    number: int | None
    """It is the n-th UDP datagram of its direction, from 1; None if it is no UDP datagram."""
    fate: Dropped | tuple[Delivery, ...]


class Network:
    """Both directions of a scenario's network."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._impairment = scenario.impairment(seed)
        self._links = {direction: scenario.link() for direction in Direction}
        self._counts = dict.fromkeys(Direction, 0)
        self._began_ns: int | None = None

    def cross(self, direction: Direction, now_ns: int, frame: bytes, found: Headers) -> Crossing:
        """Decide about a packet that arrived now; the time never goes back in a direction."""
        if self._began_ns is None:
            self._began_ns = now_ns
        number = self._next_number(direction) if found.protocol == UDP else None
        if found.ip_length > MTU:
            return Crossing(number, TOO_LARGE)
        due_ns = self._links[direction].offer(now_ns, found.ip_length)
        if isinstance(due_ns, Dropped):
            return Crossing(number, due_ns)
        if self._impairment is None:
            return Crossing(number, (Delivery(due_ns, None),))
        packet = frame[ETHERNET_HEADER : ETHERNET_HEADER + found.ip_length]
        fate = self._impairment.fate(Arrival(direction, number, due_ns - self._began_ns, packet))
        match fate:
            case Dropped():
                return Crossing(number, fate)
            case Passed():
                return Crossing(number, (Delivery(due_ns, None),))
            case _:
                copies = fate.copies
        return Crossing(
            number, tuple(Delivery(due_ns + one.delay_ns, one.packet, one.change) for one in copies)
        )

    def _next_number(self, direction: Direction) -> int:
        self._counts[direction] += 1
        return self._counts[direction]
