"""RFC 9369, 4.1: compatible version negotiation between versions 1 and 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import HANDSHAKE
from quicmatrix.runner.trace.model import VERSION_1
from quicmatrix.testcases.conformance.expectations import discards
from quicmatrix.testcases.conformance.model import V2, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9369/4.1/handshake-packet-of-the-original-version",
    Level.MUST,
    rows="X-04 C-57",
    flow=V2,
    expects=discards(),
)
async def handshake_packet_of_the_original_version(tester: Tester) -> None:
    """A Handshake packet of another version than the negotiated one is dropped."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    messages = await peer.withheld()
    await peer.stimulus(frames.ping(), kind=HANDSHAKE, shape=Shape(version=VERSION_1))
    await peer.acknowledged(await peer.send(frames.ping(), kind=HANDSHAKE))
    await peer.send_crypto(messages, kind=HANDSHAKE)
