"""How much a server sends to an address that is not validated yet (RFC 9000, 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from quicmatrix.runner.trace.model import Path, Side, Trace
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Violation,
    requirement,
)
from quicmatrix.testcases.views.datagrams import AMPLIFICATION, SentDatagram, sent_datagrams
from quicmatrix.testcases.views.view import every, sent

TOLERATED = 4
"""Times of what it received, which quic-interop-runner lets pass."""


@requirement(Level.MUST, "RFC 9000, 8")
def server_keeps_to_the_amplification_limit(seen: Observation) -> Iterator[Finding]:
    """To an unvalidated address the server sends at most three times of what came from there."""
    yield from _limited(seen.trace, lambda one: one.total <= AMPLIFICATION * one.received)


@requirement(Level.TEST, "interop suite", compat=True)
def server_stays_below_fourfold_amplification(seen: Observation) -> Iterator[Finding]:
    """To an unvalidated address the server sends less than four times of what came from there."""
    yield from _limited(seen.trace, lambda one: one.total < TOLERATED * one.received)


def _limited(trace: Trace, keeps_to: Callable[[SentDatagram], bool]) -> Iterator[Finding]:
    """The datagrams to unvalidated addresses, on each path until the first that exceeds a limit."""

    def findings() -> Iterator[Finding]:
        exceeded: set[Path] = set()
        for one in sent_datagrams(trace, Side.SERVER):
            if one.validated or one.datagram.path in exceeded:
                continue
            if keeps_to(one):
                yield Held(one.datagram)
                continue
            if one.hidden_validation:
                raise Inconclusive(one.hidden_validation)
            exceeded.add(one.datagram.path)
            yield Violation(
                f"with this datagram the server has sent {one.total} bytes for {one.received}",
                *one.packets[:1] or (one.datagram,),
            )

    yield from every(findings(), sent(trace, Side.SERVER))
