"""That no datagram is in IP fragments."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Datagram, Side, Trace
from quicmatrix.testcases.model import Finding, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import View, never, sent


@requirement(Level.MUST, "RFC 9000, 14")
def datagrams_are_not_fragmented(seen: Observation) -> Iterator[Finding]:
    """No UDP datagram is fragmented at the IP layer."""
    views = [_sent_datagrams(seen.trace, side) for side in Side]
    yield from never(
        (
            Violation(f"its {one.size} bytes are in {one.fragments} IP fragments", one)
            for view in views
            for one in view
            if one.fragments > 1
        ),
        *views,
    )


def _sent_datagrams(trace: Trace, side: Side) -> View[Datagram]:
    """The datagrams that a side sent, whether or not they are QUIC."""
    capture = trace.near(side)
    gap = sent(trace, side).gap if capture.damage or not capture.datagrams else ""
    return View(tuple(one for one in capture.datagrams if one.sender is side), gap)
