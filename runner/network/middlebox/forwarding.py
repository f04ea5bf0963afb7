"""The decision about each packet: number it, put it on the link, apply the impairment.

This is all of the middlebox that decides anything, without sockets and without a clock.

A datagram in IP fragments is one datagram: its first fragment, which has the ports and the QUIC
header, decides about all of it. The others have its number, and are dropped, delayed, duplicated
and readdressed like it; fragments that follow a dropped one are dropped too.
"""

from __future__ import annotations

from typing import NamedTuple

from quicmatrix.runner.network.impairments.fate import (
    PASSED,
    Copy,
    Direction,
    Dropped,
    Fate,
    Passed,
    Replaced,
)
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.middlebox.frame import UDP, Fragment, Headers, with_addresses
from quicmatrix.runner.network.scenarios.scenario import Scenario

MTU = 1500
"""Bytes of IP packet that fit; ns-3's default for the link, and Ethernet's."""

TOO_LARGE = Dropped("larger than the MTU")
NO_FIRST_FRAGMENT = Dropped("fragment before the first one")

MAX_FRAGMENTED = 1024
"""Datagrams of which fragments may be under way."""


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
        self._fragmented: dict[tuple[Direction, bytes], tuple[int | None, Fate]] = {}
        """The number and the fate of datagrams in fragments, from the first one to the last."""
        self._began_ns: int | None = None

    def forward(
        self, direction: Direction, now_ns: int, frame: bytes, found: Headers
    ) -> ForwardingDecision:
        """Decide about a packet that arrived now; the time never goes back in a direction."""
        if self._began_ns is None:
            self._began_ns = now_ns
        fragment = found.fragment if found.protocol == UDP else None
        if fragment is not None and fragment.offset:
            return self._forward_next(direction, now_ns, frame, found, fragment)
        number = self._next_number(direction) if found.protocol == UDP else None
        waiting = self._links[direction].waiting(now_ns)
        due_ns = self._offer(direction, now_ns, found)
        fate: Fate
        if isinstance(due_ns, Dropped):
            fate = due_ns
        elif self._impairment is None:
            fate = PASSED
        else:
            arrival = Arrival(direction, number, due_ns - self._began_ns, frame, found)
            fate = self._impairment.fate(arrival)
        if fragment is not None:
            self._remember(direction, fragment, number, fate)
        return ForwardingDecision(number, waiting, _deliveries(due_ns, fate))

    def _forward_next(
        self, direction: Direction, now_ns: int, frame: bytes, found: Headers, fragment: Fragment
    ) -> ForwardingDecision:
        """Decide about a fragment that is not the first one of its datagram."""
        key = (direction, fragment.datagram)
        waiting = self._links[direction].waiting(now_ns)
        number, fate = self._fragmented.get(key, (None, NO_FIRST_FRAGMENT))
        due_ns = self._offer(direction, now_ns, found)
        if isinstance(due_ns, Dropped) and not isinstance(fate, Dropped):
            fate = due_ns
        elif isinstance(fate, Replaced):
            fate = Replaced(tuple(_like_the_first(frame, found, copy) for copy in fate.copies))
        if not fragment.more:
            self._fragmented.pop(key, None)
        elif isinstance(fate, Dropped):
            self._remember(direction, fragment, number, fate)
        return ForwardingDecision(number, waiting, _deliveries(due_ns, fate))

    def _offer(self, direction: Direction, now_ns: int, found: Headers) -> int | Dropped:
        if found.ip_length > MTU:
            return TOO_LARGE
        return self._links[direction].offer(now_ns, found.ip_length)

    def _remember(
        self, direction: Direction, fragment: Fragment, number: int | None, fate: Fate
    ) -> None:
        """Keep what is to be done with the fragments that follow."""
        self._fragmented[direction, fragment.datagram] = (number, fate)
        if len(self._fragmented) > MAX_FRAGMENTED:
            self._fragmented.pop(next(iter(self._fragmented)))

    def _next_number(self, direction: Direction) -> int:
        self._counts[direction] += 1
        return self._counts[direction]


def _like_the_first(frame: bytes, found: Headers, copy: Copy) -> Copy:
    """What is delivered of a fragment, where this is delivered of the first one."""
    changed = None if copy.frame is None else with_addresses(frame, found, copy.frame)
    return Copy(changed, copy.change, copy.delay_ns)


def _deliveries(due_ns: int | Dropped, fate: Fate) -> Dropped | tuple[Delivery, ...]:
    match fate:
        case Dropped():
            return fate
        case _ if isinstance(due_ns, Dropped):
            return due_ns
        case Passed():
            return (Delivery(due_ns, None),)
        case Replaced():
            return tuple(
                Delivery(due_ns + one.delay_ns, one.frame, one.change) for one in fate.copies
            )
