"""Damage on the way (interop suite: corrupt-rate)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Datagram, Side, Trace
from quicmatrix.testcases.model import Level, Violation, requirement
from quicmatrix.testcases.shared.fates import fate
from quicmatrix.testcases.shared.view import complete, sent


@requirement(Level.TEST, "interop suite")
def damaged_datagrams_arrive(trace: Trace) -> Iterator[Violation]:
    """The network damages datagrams, and delivers each of them."""
    damaged = 0
    for sender in Side:
        harmed = _damaged(trace, sender, sender)
        arrived = _damaged(trace, sender, sender.peer)
        damaged += len(harmed)
        missing = [number for number in harmed if number not in arrived]
        if missing:
            complete(sent(trace, sender.peer))  # so that what arrived there is known as well
            yield Violation(
                f"{len(missing)} of {len(harmed)} damaged datagrams of the {sender} are not "
                f"delivered, the first is #{missing[0]}, frame {harmed[missing[0]].frame_number}"
            )
    if not damaged:
        for side in Side:
            complete(sent(trace, side))
        yield Violation("no datagram was damaged")


def _damaged(trace: Trace, sender: Side, near: Side) -> dict[int, Datagram]:
    """The sender's datagrams that the capture next to a side calls damaged, by their numbers."""
    fates = (
        (fate(datagram), datagram)
        for datagram in trace.near(near).datagrams
        if datagram.sender is sender
    )
    return {found.number: datagram for found, datagram in fates if found.corrupted}
