"""RFC 9000, 13.3: HANDSHAKE_DONE is sent until it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.connection import TesterConnection
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.runner.trace.model import HandshakeDone
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def repeats_handshake_done(exchange: Exchange) -> Iterator[Finding]:
    """HANDSHAKE_DONE is in two packets at least."""
    found = [packet for packet, _ in exchange.frames_after(HandshakeDone)]
    if len(found) > 1:
        yield Held(*found[:2])
    elif found:
        yield Violation("it sends HANDSHAKE_DONE once, and it is not acknowledged", *found)
    else:
        yield Violation("it sends no HANDSHAKE_DONE", exchange.stimulus, side=exchange.side)


@case(
    "rfc9000/13.3/handshake-done",
    Level.MUST,
    rows="P-33",
    roles=SERVER,
    expects=shows(repeats_handshake_done),
)
async def handshake_done(tester: Tester) -> None:
    """A server sends HANDSHAKE_DONE again until it is acknowledged."""

    def stay_silent(connection: TesterConnection) -> None:
        connection.acknowledges = False

    peer = await tester.connecting(prepare=stay_silent, stimulus=True)
    await peer.received(FrameType.HANDSHAKE_DONE, count=2)
    peer.connection.acknowledges = True
