"""RFC 9114, 4.1: the frames of a message, and how requests end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.testcases.conformance.codes import H3_FRAME_UNEXPECTED
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

TRAILERS = http3.headers([(b"x-checksum", b"1234")])


@case(
    "rfc9114/4.1/data-before-headers",
    Level.MUST,
    rows="H-01",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def data_before_headers(tester: Tester) -> None:
    """A message that begins with DATA closes the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    peer.message_stimulus(http3.frame(H3Frame.DATA, b"1234"))


@case(
    "rfc9114/4.1/headers-after-trailers",
    Level.MUST,
    rows="H-02",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def headers_after_trailers(tester: Tester) -> None:
    """HEADERS behind the trailers close the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    peer.message_stimulus(http3.headers(tester.message_fields) + TRAILERS + TRAILERS, fin=True)


@case(
    "rfc9114/4.1/data-after-trailers",
    Level.MUST,
    rows="H-02",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def data_after_trailers(tester: Tester) -> None:
    """DATA behind the trailers closes the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    data = http3.frame(H3Frame.DATA, b"1234")
    peer.message_stimulus(http3.headers(tester.message_fields) + TRAILERS + data, fin=True)
