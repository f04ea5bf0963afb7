"""RFC 9114, 7.2.8 and 9: frames of HTTP/2, and unknown ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.http3 import StreamKind
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.testcases.conformance.codes import H3_FRAME_UNEXPECTED, H3_MISSING_SETTINGS
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.messages import takes_message
from quicmatrix.testcases.conformance.model import HTTP3, Case, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

HTTP2_FRAMES = {0x02: "PRIORITY", 0x06: "PING", 0x08: "WINDOW_UPDATE", 0x09: "CONTINUATION"}
"""Frames of HTTP/2 without a counterpart (RFC 9114, 11.2.1)."""
UNKNOWN = http3.frame(http3.reserved(3), b"whatever")


def _http2_frame(kind: int, *, on_control: bool) -> Case:
    name = HTTP2_FRAMES[kind]
    where = "control" if on_control else "request"

    @case(
        f"rfc9114/7.2.8/http2-{name.lower().replace('_', '-')}-on-{where}-stream",
        Level.MUST,
        text=f"HTTP/2's {name} on a {where} stream is refused with H3_FRAME_UNEXPECTED.",
        rows="H-08",
        flow=HTTP3,
        expects=closes(H3_FRAME_UNEXPECTED),
    )
    async def http2_frame(tester: Tester) -> None:
        peer = await tester.connected()
        frame = http3.frame(kind, bytes(5))
        if on_control:
            peer.write_stimulus(peer.control, frame)
        else:
            peer.message_stimulus(http3.headers(tester.message_fields) + frame, rest=Rest.END)

    return http2_frame


HTTP2_FRAME = tuple(
    _http2_frame(kind, on_control=on_control)
    for kind in HTTP2_FRAMES
    for on_control in (False, True)
)


@case(
    "rfc9114/7.2.8/unknown-frame-on-control-stream",
    Level.MUST,
    rows="H-09",
    flow=HTTP3,
    expects=goes_on(),
)
async def unknown_frame_on_control_stream(tester: Tester) -> None:
    """A frame of a reserved type on the control stream is ignored."""
    peer = await tester.connected()
    peer.write_stimulus(peer.control, UNKNOWN)


@case(
    "rfc9114/7.2.8/unknown-frame-on-request-stream",
    Level.MUST,
    rows="H-09",
    flow=HTTP3,
    expects=takes_message(),
)
async def unknown_frame_on_request_stream(tester: Tester) -> None:
    """A frame of a reserved type on a request stream is ignored."""
    peer = await tester.connected()
    request = UNKNOWN + http3.headers(tester.message_fields)
    peer.message_stimulus(request, fin=tester.is_client, rest=Rest.CONTENT)


@case(
    "rfc9114/9/unknown-first-frame-on-control-stream",
    Level.SHOULD,
    rows="H-10",
    flow=HTTP3,
    expects=closes(H3_MISSING_SETTINGS),
)
async def unknown_first_frame_on_control_stream(tester: Tester) -> None:
    """A frame of an unknown type in place of SETTINGS is refused."""
    peer = await tester.connected(control=False)
    peer.open_stimulus(http3.stream(StreamKind.CONTROL, UNKNOWN, http3.settings()))
