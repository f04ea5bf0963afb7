"""RFC 9000, 4: flow control, final sizes and stream limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import FINAL_SIZE_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/4.5/data-beyond-final-size",
    Level.SHOULD,
    rows="F-22",
    expects=closes(FINAL_SIZE_ERROR),
)
async def data_beyond_final_size(tester: Tester) -> None:
    """STREAM data beyond a stream's final size closes the connection with FINAL_SIZE_ERROR."""
    peer = await tester.connected()
    stream = peer.new_stream(unidirectional=True)
    # The first bytes never come, so that the stream's state is still there (RFC 9000, 3.2).
    await peer.acknowledged(await peer.send(frames.stream(stream, b"78", offset=6, fin=True)))
    await peer.stimulus(frames.stream(stream, b"9", offset=8))
