"""RFC 9221, 5.2: acknowledgments of DATAGRAM frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.parameters import Parameter
from quicmatrix.testcases.conformance.expectations import acknowledges
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9221/5.2/datagram-is-acknowledged",
    Level.MAY,
    rows="F-55 C-41",
    expects=acknowledges(),
)
async def datagram_is_acknowledged(tester: Tester) -> None:
    """A packet with a DATAGRAM frame is ack-eliciting, and is acknowledged."""
    peer = await tester.connected()
    if peer.connection.peer_parameter(Parameter.MAX_DATAGRAM_FRAME_SIZE) < 20:
        tester.not_applicable("the implementation takes no DATAGRAM frames")
    await peer.acknowledged(await peer.stimulus(frames.datagram(b"data")))
