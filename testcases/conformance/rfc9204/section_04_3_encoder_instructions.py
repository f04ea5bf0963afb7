"""RFC 9204, 4.3: encoder instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import Setting, StreamKind
from quicmatrix.testcases.conformance.codes import QPACK_ENCODER_STREAM_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/4.3.1/capacity-beyond-the-limit",
    Level.MUST,
    rows="H-57",
    flow=HTTP3,
    expects=closes(QPACK_ENCODER_STREAM_ERROR),
)
async def capacity_beyond_the_limit(tester: Tester) -> None:
    """A dynamic table capacity beyond the limit is refused with QPACK_ENCODER_STREAM_ERROR."""
    peer = await tester.connected()
    limit = await peer.setting(Setting.QPACK_MAX_TABLE_CAPACITY)
    peer.open_stimulus(http3.stream(StreamKind.QPACK_ENCODER, qpack.set_capacity(limit + 1)))
