"""RFC 9114, 8: unknown error codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, http3
from quicmatrix.testcases.conformance.expectations import ends_without_error
from quicmatrix.testcases.conformance.malformed import abort_message
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9114/8/unknown-error-code",
    Level.MUST,
    rows="H-54",
    flow=HTTP3,
    expects=ends_without_error(),
)
async def unknown_error_code(tester: Tester) -> None:
    """A stream that ends with an unknown error code is no error of the connection."""
    await abort_message(tester, http3.reserved(5))


@case(
    "rfc9114/8/unknown-error-code-on-unknown-stream",
    Level.MUST,
    rows="H-54",
    flow=HTTP3,
    expects=ends_without_error(),
)
async def unknown_error_code_on_unknown_stream(tester: Tester) -> None:
    """A stream of an unknown type that is reset with an unknown code is no connection error."""
    peer = await tester.connected()
    stream = peer.open(http3.stream(http3.reserved(7), b"whatever"))
    await peer.received_by_peer(stream)
    size = len(http3.stream(http3.reserved(7), b"whatever"))
    await peer.stimulus(frames.reset_stream(stream, http3.reserved(5), size))
