"""Damage on the way (interop suite: corrupt-rate)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Datagram, Side, Trace
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    NotExercised,
    Observation,
    requirement,
)
from quicmatrix.testcases.shared.fates import fate
from quicmatrix.testcases.views.view import complete, sent


@requirement(Level.TEST, "interop suite")
def damaged_datagrams_arrive(seen: Observation) -> Iterator[Finding]:
    """The network damages datagrams, and delivers each of them."""
    damaged = 0
    for sender in Side:
        departed = _damaged(seen.trace, sender, sender)
        arrived = _damaged(seen.trace, sender, sender.peer)
        damaged += len(departed)
        yield from (Held(one) for number, one in departed.items() if number in arrived)
        missing = [number for number in departed if number not in arrived]
        if missing:
            complete(sent(seen.trace, sender.peer))  # so that what arrived there is known as well
            raise Inconclusive(
                f"{len(missing)} of {len(departed)} damaged datagrams of the {sender} are not "
                f"delivered, the first is #{missing[0]}, frame {departed[missing[0]].frame_number}"
            )
    if not damaged:
        for side in Side:
            complete(sent(seen.trace, side))
        yield NotExercised("no datagram was damaged")


def _damaged(trace: Trace, sender: Side, near: Side) -> dict[int, Datagram]:
    """The sender's datagrams that the capture next to a side calls damaged, by their numbers."""
    fates = (
        (fate(datagram), datagram)
        for datagram in trace.near(near).datagrams
        if datagram.sender is sender
    )
    return {found.number: datagram for found, datagram in fates if found.corrupted}
