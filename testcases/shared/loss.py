"""What the network drops on purpose (interop suite: drop-rate, droplist, blackhole)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Datagram, Side, Trace
from quicmatrix.testcases.model import Finding, Level, NotExercised, Observation, requirement
from quicmatrix.testcases.shared.fates import fate
from quicmatrix.testcases.views.view import View, exists, sent

RANDOM_LOSS = "random loss"
"""Why our middlebox drops datagrams in drop-rate."""


@requirement(Level.TEST, "interop suite")
def datagrams_of_the_client_are_lost(seen: Observation) -> Iterator[Finding]:
    """The network drops datagrams of the client at random."""
    yield from _lost(seen.trace, Side.CLIENT)


@requirement(Level.TEST, "interop suite")
def datagrams_of_the_server_are_lost(seen: Observation) -> Iterator[Finding]:
    """The network drops datagrams of the server at random."""
    yield from _lost(seen.trace, Side.SERVER)


def dropped(trace: Trace, sender: Side, reason: str) -> View[Datagram]:
    """The datagrams of a side that the middlebox dropped for this reason.

    Raises:
        Inconclusive: The capture does not say what became of a datagram.
    """
    return View(
        tuple(
            datagram
            for datagram in trace.near(sender).datagrams
            if datagram.sender is sender and fate(datagram).dropped == reason
        ),
        sent(trace, sender).gap,
    )


def _lost(trace: Trace, sender: Side) -> Iterator[Finding]:
    losses = dropped(trace, sender, RANDOM_LOSS)
    yield from exists(losses, NotExercised(f"no datagram of the {sender} is lost"), losses)
