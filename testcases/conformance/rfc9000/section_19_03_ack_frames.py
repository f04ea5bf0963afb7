"""RFC 9000, 19.3: ACK frames, and 13.1: what may be acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.testcases.conformance.codes import FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION
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


@case(
    "rfc9000/11.1/truncated-ack-frame",
    Level.MUST,
    rows="F-47 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def truncated_ack_frame(tester: Tester) -> None:
    """An ACK frame with fewer ranges than it says closes the connection: FRAME_ENCODING_ERROR."""
    peer = await tester.connected()
    await peer.settled()
    largest = peer.connection.largest_received
    await peer.stimulus(frames.frame(FrameType.ACK, largest, 0, 1, 0))


@case(
    "rfc9000/13.1/ack-of-unsent-packet",
    Level.SHOULD,
    rows="F-45 B-49 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def ack_of_unsent_packet(tester: Tester) -> None:
    """An acknowledgment of a packet that was not sent closes the connection: PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.ack(peer.connection.largest_received + 1000))
