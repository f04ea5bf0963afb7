"""RFC 9114, 7.2: which frames may be on which streams, and what they may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.http3 import H3Frame, Setting, StreamKind
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance.codes import (
    H3_FRAME_UNEXPECTED,
    H3_ID_ERROR,
    H3_SETTINGS_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import BOTH, CLIENT, HTTP3, SERVER, Case, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

FIELDS = [(b"x-name", b"value")]
HTTP2_SETTINGS = {0x02: "enable-push", 0x03: "max-concurrent-streams"} | {
    0x04: "initial-window-size",
    0x05: "max-frame-size",
}
"""Settings of HTTP/2 without a counterpart (RFC 9114, 11.2.2)."""


def _misplaced(
    section: str,
    row: str,
    frame: bytes,
    *,
    on_control: bool = False,
    roles: frozenset[Side] = BOTH,
) -> Case:
    """A frame on a stream where it must not be."""
    name = H3Frame(frame[0]).name
    where = "control" if on_control else "request"

    @case(
        f"rfc9114/{section}/{name.lower().replace('_', '-')}-on-{where}-stream",
        Level.MUST,
        text=f"{name} on a {where} stream closes the connection with H3_FRAME_UNEXPECTED.",
        rows=row,
        roles=roles,
        flow=HTTP3,
        expects=closes(H3_FRAME_UNEXPECTED),
    )
    async def misplaced(tester: Tester) -> None:
        peer = await tester.connected()
        if on_control:
            peer.write_stimulus(peer.control, frame)
        else:
            peer.message_stimulus(http3.headers(tester.message_fields) + frame, rest=Rest.END)

    return misplaced


_GOAWAY = http3.identifier_frame(H3Frame.GOAWAY, 0)
_MAX_PUSH_ID = http3.identifier_frame(H3Frame.MAX_PUSH_ID, 0)
MISPLACED = (
    _misplaced("7.2.1", "H-12", http3.frame(H3Frame.DATA, b"1234"), on_control=True),
    _misplaced("7.2.2", "H-12", http3.headers(FIELDS), on_control=True),
    _misplaced("7.2.3", "H-03", http3.identifier_frame(H3Frame.CANCEL_PUSH, 0)),
    _misplaced("7.2.4", "H-04", http3.settings()),
    _misplaced("7.2.5", "H-07", http3.push_promise(0, FIELDS), roles=SERVER),
    _misplaced("7.2.5", "H-45 H-07", http3.push_promise(0, FIELDS), on_control=True),
    _misplaced("7.2.6", "H-05", _GOAWAY, roles=CLIENT),
    _misplaced("4.1", "H-05", _GOAWAY, roles=SERVER),
    _misplaced("7.2.7", "H-06", _MAX_PUSH_ID),
    _misplaced("7.2.7", "H-44", _MAX_PUSH_ID, on_control=True, roles=CLIENT),
)


@case(
    "rfc9114/7.2.3/cancel-push-of-an-unknown-push",
    Level.MUST,
    rows="H-19",
    flow=HTTP3,
    expects=closes(H3_ID_ERROR),
)
async def cancel_push_of_an_unknown_push(tester: Tester) -> None:
    """CANCEL_PUSH for a push that was never permitted nor promised is refused with H3_ID_ERROR."""
    peer = await tester.connected()
    peer.write_stimulus(peer.control, http3.identifier_frame(H3Frame.CANCEL_PUSH, 1 << 20))


@case(
    "rfc9114/7.2.4/second-settings",
    Level.MUST,
    rows="H-11",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def second_settings(tester: Tester) -> None:
    """A second SETTINGS frame closes the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    peer.write_stimulus(peer.control, http3.settings())


@case(
    "rfc9114/7.2.4/setting-twice",
    Level.MAY,
    rows="H-14",
    flow=HTTP3,
    expects=closes(H3_SETTINGS_ERROR),
)
async def setting_twice(tester: Tester) -> None:
    """A setting that occurs twice is refused with H3_SETTINGS_ERROR."""
    peer = await tester.connected(control=False)
    twice = (Setting.MAX_FIELD_SECTION_SIZE, 1 << 16)
    peer.open_stimulus(http3.stream(StreamKind.CONTROL, http3.settings(twice, twice)))


@case(
    "rfc9114/7.2.4/unknown-setting",
    Level.MUST,
    rows="H-15",
    flow=HTTP3,
    expects=goes_on(),
)
async def unknown_setting(tester: Tester) -> None:
    """Settings with unknown identifiers are ignored."""
    peer = await tester.connected(control=False)
    unknown = http3.settings((http3.reserved(9), 1 << 40), (0x2B603743, 7))
    peer.control = peer.open_stimulus(http3.stream(StreamKind.CONTROL, unknown))


def _http2_setting(identifier: int) -> Case:
    @case(
        f"rfc9114/7.2.4.1/http2-{HTTP2_SETTINGS[identifier]}",
        Level.MUST,
        text=f"Setting {identifier:#x} of HTTP/2 is refused with H3_SETTINGS_ERROR.",
        rows="H-13",
        flow=HTTP3,
        expects=closes(H3_SETTINGS_ERROR),
    )
    async def http2_setting(tester: Tester) -> None:
        peer = await tester.connected(control=False)
        peer.open_stimulus(http3.stream(StreamKind.CONTROL, http3.settings((identifier, 1))))

    return http2_setting


HTTP2_SETTING = tuple(_http2_setting(identifier) for identifier in HTTP2_SETTINGS)


@case(
    "rfc9114/7.2.4.1/http2-setting-after-an-unknown-one",
    Level.MUST,
    rows="H-69",
    flow=HTTP3,
    expects=closes(H3_SETTINGS_ERROR),
)
async def http2_setting_after_an_unknown_one(tester: Tester) -> None:
    """A setting of HTTP/2 behind an unknown one is refused with H3_SETTINGS_ERROR."""
    peer = await tester.connected(control=False)
    both = http3.settings((http3.reserved(9), 0), (0x04, 1))
    peer.open_stimulus(http3.stream(StreamKind.CONTROL, both))


@case(
    "rfc9114/7.2.6/goaway-with-another-type-of-stream",
    Level.MUST,
    rows="H-41",
    roles=CLIENT,
    flow=HTTP3,
    expects=closes(H3_ID_ERROR),
)
async def goaway_with_another_type_of_stream(tester: Tester) -> None:
    """GOAWAY with a stream that no client opens for a request is refused with H3_ID_ERROR."""
    peer = await tester.connected()
    peer.write_stimulus(peer.control, http3.identifier_frame(H3Frame.GOAWAY, 5))


@case(
    "rfc9114/7.2.7/max-push-id-shrinks",
    Level.MUST,
    rows="H-18",
    roles=SERVER,
    flow=HTTP3,
    expects=closes(H3_ID_ERROR),
)
async def max_push_id_shrinks(tester: Tester) -> None:
    """MAX_PUSH_ID smaller than the one before is refused with H3_ID_ERROR."""
    peer = await tester.connected()
    peer.write(peer.control, http3.identifier_frame(H3Frame.MAX_PUSH_ID, 8))
    peer.write_stimulus(peer.control, http3.identifier_frame(H3Frame.MAX_PUSH_ID, 7))
