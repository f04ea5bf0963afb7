"""RFC 9114, 5.2: GOAWAY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.testcases.conformance.codes import H3_ID_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9114/5.2/goaway-identifier-grows",
    Level.MUST,
    rows="H-17",
    flow=HTTP3,
    expects=closes(H3_ID_ERROR),
)
async def goaway_identifier_grows(tester: Tester) -> None:
    """A GOAWAY whose identifier is larger than the one before is refused with H3_ID_ERROR."""
    peer = await tester.connected()
    peer.write(peer.control, http3.identifier_frame(H3Frame.GOAWAY, 4))
    peer.write_stimulus(peer.control, http3.identifier_frame(H3Frame.GOAWAY, 8))
