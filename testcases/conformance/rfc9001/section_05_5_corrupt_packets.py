"""RFC 9001, 5.5: packets that cannot be authenticated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.testcases.conformance.expectations import (
    discards,
)
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case("rfc9001/5.5/corrupt-packet", Level.MUST, rows="B-26", expects=discards())
async def corrupt_packet(tester: Tester) -> None:
    """A packet that cannot be authenticated is discarded, and the connection goes on."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.ping(), shape=Shape(corrupt=True))
