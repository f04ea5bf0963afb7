"""RFC 9002, 6.2: probe timeouts of a client."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.replies import unprompted
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

BACKOFF_S = 5.0
"""Seconds in which a client that gets no answer sends its Initial again twice."""
SECOND_PROBE_S = 4.0


def repeats_its_handshake_packets(exchange: Exchange) -> Iterator[Finding]:
    """More Handshake packets when they are not acknowledged."""
    found = unprompted(exchange, PacketType.HANDSHAKE)
    if len(found) > 1:
        yield Held(*found[:2], message=f"it sends {len(found)} Handshake packets")
    else:
        yield Violation("it sends no Handshake packet again", *found, side=exchange.side)


@case(
    "rfc9002/6.2.4/no-handshake-done",
    Level.MAY,
    rows="C-56",
    roles=CLIENT,
    expects=shows(repeats_its_handshake_packets),
)
async def no_handshake_done(tester: Tester) -> None:
    """A client whose Handshake packets are not acknowledged sends them again."""
    peer = await tester.connecting(stimulus=True)
    await peer.handshaking()
    known = len(peer.arrivals)
    await tester.until(lambda: len(peer.arrivals) > known + 2, "probes", SECOND_PROBE_S)


def repeats_its_initial(exchange: Exchange) -> Iterator[Finding]:
    """The Initial packet again, at growing intervals."""
    initials = [
        packet
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and packet.type is PacketType.INITIAL
    ]
    times = sorted({packet.datagram.time for packet in initials})
    groups = [
        time for index, time in enumerate(times) if index == 0 or time - times[index - 1] > 0.05
    ]
    gaps = [after - before for before, after in pairwise(groups)]
    words = "it sends after " + ", ".join(f"{gap:.1f} s" for gap in gaps)
    if len(gaps) > 1 and gaps[1] > gaps[0]:
        yield Held(*initials[:1], message=words)
    else:
        yield Violation(words if gaps else "it does not send again", *initials[:1])


@case(
    "rfc9002/6.2.1/no-answer",
    Level.MAY,
    rows="C-54",
    roles=CLIENT,
    expects=shows(repeats_its_initial),
)
async def no_answer(tester: Tester) -> None:
    """A client that gets no answer sends its Initial packet again, ever more rarely."""
    await tester.initial()
    await tester.until(lambda: len(tester.arrivals) > 2, "two retransmissions", BACKOFF_S)
