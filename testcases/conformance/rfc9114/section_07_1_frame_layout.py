"""RFC 9114, 7.1: the layout of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.frames import varint
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.testcases.conformance.codes import H3_EXCESSIVE_LOAD, H3_FRAME_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import BOTH, HTTP3, SERVER, Case, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

CONTROL_FRAMES = {
    H3Frame.GOAWAY: BOTH,
    H3Frame.CANCEL_PUSH: BOTH,
    H3Frame.MAX_PUSH_ID: SERVER,
}
"""The frames of one identifier, and the roles that may receive them."""


def _with_more_bytes(kind: H3Frame) -> Case:
    @case(
        f"rfc9114/7.1/{_slug(kind)}-with-more-bytes",
        Level.MUST,
        text=f"{kind.name} with bytes behind its identifier is refused with H3_FRAME_ERROR.",
        rows="H-16",
        roles=CONTROL_FRAMES[kind],
        flow=HTTP3,
        expects=closes(H3_FRAME_ERROR),
    )
    async def with_more_bytes(tester: Tester) -> None:
        peer = await tester.connected()
        peer.write_stimulus(peer.control, http3.identifier_frame(kind, 0, trailing=b"\x00"))

    return with_more_bytes


def _without_identifier(kind: H3Frame) -> Case:
    @case(
        f"rfc9114/7.1/{_slug(kind)}-without-identifier",
        Level.MUST,
        text=f"{kind.name} without its identifier is refused with H3_FRAME_ERROR.",
        rows="H-16",
        roles=CONTROL_FRAMES[kind],
        flow=HTTP3,
        expects=closes(H3_FRAME_ERROR),
    )
    async def without_identifier(tester: Tester) -> None:
        peer = await tester.connected()
        peer.write_stimulus(peer.control, http3.frame(kind))

    return without_identifier


def _slug(kind: H3Frame) -> str:
    return kind.name.lower().replace("_", "-")


WITH_MORE_BYTES = tuple(_with_more_bytes(kind) for kind in CONTROL_FRAMES)
WITHOUT_IDENTIFIER = tuple(_without_identifier(kind) for kind in CONTROL_FRAMES)


@case(
    "rfc9114/7.1/settings-end-inside-a-setting",
    Level.MUST,
    rows="H-16",
    flow=HTTP3,
    expects=closes(H3_FRAME_ERROR),
)
async def settings_end_inside_a_setting(tester: Tester) -> None:
    """A SETTINGS frame that ends behind an identifier is refused with H3_FRAME_ERROR."""
    peer = await tester.connected(control=False)
    identifier = varint(http3.Setting.MAX_FIELD_SECTION_SIZE)
    peer.open_stimulus(
        http3.stream(http3.StreamKind.CONTROL, http3.frame(H3Frame.SETTINGS, identifier))
    )


@case(
    "rfc9114/7.1/stream-ends-inside-data",
    Level.MUST,
    rows="H-27",
    flow=HTTP3,
    expects=closes(H3_FRAME_ERROR),
)
async def stream_ends_inside_data(tester: Tester) -> None:
    """A message whose last DATA frame is cut off is refused with H3_FRAME_ERROR."""
    peer = await tester.connected()
    headers = http3.headers(tester.message_fields)
    data = http3.frame(H3Frame.DATA, b"1234", length=100)
    peer.message_stimulus(headers + data, fin=True)


@case(
    "rfc9114/7.1/stream-ends-inside-headers",
    Level.MUST,
    rows="H-27",
    flow=HTTP3,
    expects=closes(H3_FRAME_ERROR),
)
async def stream_ends_inside_headers(tester: Tester) -> None:
    """A message whose HEADERS frame is cut off is refused with H3_FRAME_ERROR."""
    peer = await tester.connected()
    peer.message_stimulus(http3.headers(tester.message_fields)[:-1], fin=True)


@case(
    "rfc9114/7.1/goaway-of-a-gibibyte",
    Level.MAY,  # one may wait for so many bytes
    rows="H-68",
    flow=HTTP3,
    expects=closes(H3_FRAME_ERROR, H3_EXCESSIVE_LOAD),
)
async def goaway_of_a_gibibyte(tester: Tester) -> None:
    """A GOAWAY frame that says it has 2^30 bytes is refused with H3_FRAME_ERROR."""
    peer = await tester.connected()
    peer.write_stimulus(peer.control, http3.frame(H3Frame.GOAWAY, b"\x00", length=1 << 30))
