"""RFC 9000, 13.1: acknowledgments of packets that were not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import (
    PROTOCOL_VIOLATION,
)
from quicmatrix.testcases.conformance.expectations import (
    closes,
)
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


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
