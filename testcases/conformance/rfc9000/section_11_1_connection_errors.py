"""RFC 9000, 11.1: frames that are badly formatted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.testcases.conformance.codes import (
    FRAME_ENCODING_ERROR,
)
from quicmatrix.testcases.conformance.expectations import (
    closes,
)
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/11.1/truncated-stream-frame",
    Level.MUST,
    rows="F-04 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def truncated_stream_frame(tester: Tester) -> None:
    """A STREAM frame that says it is longer than its packet closes the connection."""
    peer = await tester.connected()
    await peer.stimulus(frames.stream(peer.sending_stream(), b"GET ", length=100))


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
