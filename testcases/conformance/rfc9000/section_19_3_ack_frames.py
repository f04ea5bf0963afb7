"""RFC 9000, 19.3: ACK frames, and 13.1: what may be acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import FRAME_ENCODING_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/19.3.1/first-range-below-zero",
    Level.MUST,
    rows="F-46 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def first_range_below_zero(tester: Tester) -> None:
    """An ACK frame whose first range goes below 0 closes the connection: FRAME_ENCODING_ERROR."""
    peer = await tester.connected()
    await peer.settled()
    largest = peer.connection.largest_received
    await peer.stimulus(frames.ack(largest, largest + 1))


@case(
    "rfc9000/19.3.1/further-range-below-zero",
    Level.MUST,
    rows="F-46 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def further_range_below_zero(tester: Tester) -> None:
    """An ACK frame whose second range goes below 0 closes the connection: FRAME_ENCODING_ERROR."""
    peer = await tester.connected()
    await peer.settled()
    largest = peer.connection.largest_received
    await peer.stimulus(frames.ack(largest, 0, [(largest, 0)]))
