"""RFC 9114, 6.1: bidirectional streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.testcases.conformance.codes import H3_STREAM_CREATION_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import CLIENT, HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9114/6.1/server-initiated-bidirectional-stream",
    Level.MUST,
    rows="H-42",
    roles=CLIENT,
    flow=HTTP3,
    expects=closes(H3_STREAM_CREATION_ERROR),
)
async def server_initiated_bidirectional_stream(tester: Tester) -> None:
    """A bidirectional stream of the server closes the connection with H3_STREAM_CREATION_ERROR."""
    peer = await tester.connected()
    peer.write_stimulus(peer.new_stream(), http3.frame(http3.reserved(0), b"whatever"))
