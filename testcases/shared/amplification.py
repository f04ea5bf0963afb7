"""How much a server sends to an address that is not validated yet (RFC 9000, 8)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Path, Side, Trace
from quicmatrix.testcases.model import Inconclusive, Level, Violation, requirement
from quicmatrix.testcases.shared.datagrams import AMPLIFICATION, Sending, sendings
from quicmatrix.testcases.shared.view import never, sent

TOLERATED = 4
"""Times of what it received, which quic-interop-runner lets pass."""


@requirement(Level.MUST, "RFC 9000, 8")
def server_keeps_to_the_amplification_limit(trace: Trace) -> Iterator[Violation]:
    """To an unvalidated address the server sends at most three times of what came from there."""
    yield from never(
        _excesses(
            one
            for one in sendings(trace, Side.SERVER)
            if not one.validated and one.total > AMPLIFICATION * one.received
        ),
        sent(trace, Side.SERVER),
    )


@requirement(Level.TEST, "interop suite", compat=True)
def server_stays_below_fourfold_amplification(trace: Trace) -> Iterator[Violation]:
    """To an unvalidated address the server sends less than four times of what came from there."""
    yield from never(
        _excesses(
            one
            for one in sendings(trace, Side.SERVER)
            if not one.validated and one.total >= TOLERATED * one.received
        ),
        sent(trace, Side.SERVER),
    )


def _excesses(beyond: Iterator[Sending]) -> Iterator[Violation]:
    """The first datagram on each path that goes beyond the limit."""
    paths: set[Path] = set()
    for one in beyond:
        if one.datagram.path in paths:
            continue
        if one.doubt:
            raise Inconclusive(one.doubt)
        paths.add(one.datagram.path)
        yield Violation(
            f"with this datagram the server has sent {one.total} bytes for {one.received}",
            *one.packets[:1] or (one.datagram,),
        )
