"""RFC 9114, 6.2: unidirectional streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, http3
from quicmatrix.endpoint.tester.http3 import H3Frame, StreamKind
from quicmatrix.testcases.conformance.codes import (
    H3_CLOSED_CRITICAL_STREAM,
    H3_MISSING_SETTINGS,
    H3_NO_ERROR,
    H3_STREAM_CREATION_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import HTTP3, SERVER, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9114/6.2/unknown-stream-type",
    Level.MUST,
    rows="H-26",
    flow=HTTP3,
    expects=goes_on(),
)
async def unknown_stream_type(tester: Tester) -> None:
    """A unidirectional stream of an unknown type is no connection error."""
    peer = await tester.connected()
    peer.open_stimulus(http3.stream(http3.reserved(7), b"whatever"))


@case(
    "rfc9114/6.2/reset-before-stream-type",
    Level.MUST,
    rows="H-26",
    flow=HTTP3,
    expects=goes_on(),
)
async def reset_before_stream_type(tester: Tester) -> None:
    """A unidirectional stream that is reset before its type is whole is tolerated."""
    peer = await tester.connected()
    stream = peer.new_stream(unidirectional=True)
    await peer.acknowledged(await peer.send(frames.stream(stream, b"\x40")))
    await peer.stimulus(frames.reset_stream(stream, H3_NO_ERROR.value, 1))


@case(
    "rfc9114/6.2/end-before-stream-type",
    Level.MUST,
    rows="H-26",
    flow=HTTP3,
    expects=goes_on(),
)
async def end_before_stream_type(tester: Tester) -> None:
    """A unidirectional stream that ends before its type is whole is tolerated."""
    peer = await tester.connected()
    peer.open_stimulus(b"", fin=True)


@case(
    "rfc9114/6.2.1/first-frame-is-not-settings",
    Level.MUST,
    rows="H-10",
    flow=HTTP3,
    expects=closes(H3_MISSING_SETTINGS),
)
async def first_frame_is_not_settings(tester: Tester) -> None:
    """A control stream that begins with another frame is refused with H3_MISSING_SETTINGS."""
    peer = await tester.connected(control=False)
    peer.open_stimulus(http3.stream(StreamKind.CONTROL, http3.identifier_frame(H3Frame.GOAWAY, 0)))


@case(
    "rfc9114/6.2.1/second-control-stream",
    Level.MUST,
    rows="H-20",
    flow=HTTP3,
    expects=closes(H3_STREAM_CREATION_ERROR),
)
async def second_control_stream(tester: Tester) -> None:
    """A second control stream closes the connection with H3_STREAM_CREATION_ERROR."""
    peer = await tester.connected()
    peer.open_stimulus(http3.stream(StreamKind.CONTROL, http3.settings()))


@case(
    "rfc9114/6.2.1/control-stream-ends",
    Level.MUST,
    rows="H-23",
    flow=HTTP3,
    expects=closes(H3_CLOSED_CRITICAL_STREAM),
)
async def control_stream_ends(tester: Tester) -> None:
    """The end of the control stream closes the connection with H3_CLOSED_CRITICAL_STREAM."""
    peer = await tester.connected()
    peer.write_stimulus(peer.control, b"", fin=True)


@case(
    "rfc9114/6.2.1/control-stream-is-reset",
    Level.MUST,
    rows="H-23",
    flow=HTTP3,
    expects=closes(H3_CLOSED_CRITICAL_STREAM),
)
async def control_stream_is_reset(tester: Tester) -> None:
    """A reset of the control stream closes the connection with H3_CLOSED_CRITICAL_STREAM."""
    peer = await tester.connected()
    size = len(http3.stream(StreamKind.CONTROL, http3.settings()))
    await peer.received_by_peer(peer.control)
    await peer.stimulus(frames.reset_stream(peer.control, H3_NO_ERROR.value, size))


@case(
    "rfc9114/6.2.1/control-stream-is-stopped",
    Level.MUST,
    rows="H-25",
    flow=HTTP3,
    expects=closes(H3_CLOSED_CRITICAL_STREAM),
)
async def control_stream_is_stopped(tester: Tester) -> None:
    """STOP_SENDING for its control stream is refused with H3_CLOSED_CRITICAL_STREAM."""
    peer = await tester.connected()
    await peer.setting(http3.Setting.QPACK_MAX_TABLE_CAPACITY)
    await peer.stimulus(frames.stop_sending(peer.control_of_peer, H3_NO_ERROR.value))


@case(
    "rfc9114/6.2.2/push-stream-from-client",
    Level.MUST,
    rows="H-22",
    roles=SERVER,
    flow=HTTP3,
    expects=closes(H3_STREAM_CREATION_ERROR),
)
async def push_stream_from_client(tester: Tester) -> None:
    """A push stream of the client closes the connection with H3_STREAM_CREATION_ERROR."""
    peer = await tester.connected()
    peer.open_stimulus(http3.stream(StreamKind.PUSH, frames.varint(0)))
