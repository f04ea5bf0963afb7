"""RFC 9000, 12.5: frames that a 0-RTT packet may not carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import flows, frames
from quicmatrix.endpoint.tester import peer as peers
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import SERVER, ZERO_RTT, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/12.5/ack-in-0rtt-packet",
    Level.SHOULD,
    rows="F-48",
    roles=SERVER,
    flow=ZERO_RTT,
    expects=closes(PROTOCOL_VIOLATION, discards=True),
)
async def ack_in_0rtt_packet(tester: Tester) -> None:
    """An ACK frame in a 0-RTT packet closes the connection with PROTOCOL_VIOLATION."""
    first = await flows.first_connection(tester)
    peer = await tester.connecting(ticket=first.ticket)
    await peer.stimulus(frames.ack(0), kind=peers.ZERO_RTT)
