"""RFC 9000, 19.8 to 19.14: STREAM frames, and frames of flow control and of stream limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import (
    FLOW_CONTROL_ERROR,
    FRAME_ENCODING_ERROR,
    STREAM_LIMIT_ERROR,
    STREAM_STATE_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import Case, Expectation, case
from quicmatrix.testcases.conformance.rfc9000.section_19_4_reset_stream_frames import UNOPENED
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/19.8/stream-on-send-only-stream",
    Level.MUST,
    rows="F-14 C-41",
    expects=closes(STREAM_STATE_ERROR),
)
async def stream_on_send_only_stream(tester: Tester) -> None:
    """STREAM data on a send-only stream closes the connection with STREAM_STATE_ERROR."""
    peer = await tester.connected()
    stream = peer.stream_id(0, ours=False, unidirectional=True)
    await peer.stimulus(frames.stream(stream, b"x"))


@case(
    "rfc9000/19.8/stream-not-created",
    Level.MUST,
    rows="F-15 C-41",
    expects=closes(STREAM_STATE_ERROR),
)
async def stream_not_created(tester: Tester) -> None:
    """STREAM data on a stream that its receiver has yet to create is a STREAM_STATE_ERROR."""
    peer = await tester.connected()
    await peer.stimulus(frames.stream(peer.stream_id(UNOPENED, ours=False), b"x"))


@case(
    "rfc9000/19.8/beyond-largest-offset",
    Level.MUST,
    rows="F-16 C-41",
    expects=closes(FRAME_ENCODING_ERROR, FLOW_CONTROL_ERROR),
)
async def beyond_largest_offset(tester: Tester) -> None:
    """A STREAM frame that ends beyond 2^62-1 closes the connection."""
    peer = await tester.connected()
    await peer.stimulus(frames.stream(peer.sending_stream(), b"x", frames.LARGEST))


@case(
    "rfc9000/19.10/max-stream-data-on-receive-only-stream",
    Level.MUST,
    rows="F-27 C-41",
    expects=closes(STREAM_STATE_ERROR, STREAM_LIMIT_ERROR),
)
async def max_stream_data_on_receive_only_stream(tester: Tester) -> None:
    """MAX_STREAM_DATA for a receive-only stream closes the connection: STREAM_STATE_ERROR."""
    peer = await tester.connected()
    stream = peer.stream_id(0, ours=True, unidirectional=True)
    await peer.stimulus(frames.max_stream_data(stream, 1 << 20))


@case(
    "rfc9000/19.10/max-stream-data-on-stream-not-created",
    Level.MUST,
    rows="F-28 C-41",
    expects=closes(STREAM_STATE_ERROR),
)
async def max_stream_data_on_stream_not_created(tester: Tester) -> None:
    """MAX_STREAM_DATA for a stream that its receiver has yet to create is a STREAM_STATE_ERROR."""
    peer = await tester.connected()
    await peer.stimulus(frames.max_stream_data(peer.stream_id(UNOPENED, ours=False), 1 << 20))


@case(
    "rfc9000/19.13/stream-data-blocked-on-send-only-stream",
    Level.MUST,
    rows="F-29 C-41",
    expects=closes(STREAM_STATE_ERROR),
)
async def stream_data_blocked_on_send_only_stream(tester: Tester) -> None:
    """STREAM_DATA_BLOCKED for a send-only stream closes the connection: STREAM_STATE_ERROR."""
    peer = await tester.connected()
    stream = peer.stream_id(0, ours=False, unidirectional=True)
    await peer.stimulus(frames.stream_data_blocked(stream, 0))


def _stream_count(
    name: str,
    frame: bytes,
    text: str,
    expects: Expectation,
    *,
    rows: str,
    level: Level = Level.MUST,
) -> Case:
    async def script(tester: Tester) -> None:
        peer = await tester.connected()
        await peer.stimulus(frame)

    script.__doc__ = text
    return case(name, level, rows=rows, expects=expects)(script)


_KINDS = (("bidirectional", False), ("unidirectional", True))

MAX_STREAMS = tuple(
    one
    for kind, is_uni in _KINDS
    for one in (
        _stream_count(
            f"rfc9000/19.11/max-streams-{kind}-too-many",
            frames.max_streams(frames.MOST_STREAMS + 1, unidirectional=is_uni),
            f"MAX_STREAMS of more than 2^60 {kind} streams is a FRAME_ENCODING_ERROR.",
            closes(FRAME_ENCODING_ERROR),
            rows="F-30 C-41",
        ),
        _stream_count(
            f"rfc9000/19.11/max-streams-{kind}-most",
            frames.max_streams(frames.MOST_STREAMS, unidirectional=is_uni),
            f"MAX_STREAMS of 2^60 {kind} streams is taken.",
            goes_on(),
            rows="F-30 C-41",
        ),
        _stream_count(
            f"rfc9000/19.11/max-streams-{kind}-lower",
            frames.max_streams(0, unidirectional=is_uni),
            f"MAX_STREAMS of fewer {kind} streams than before is ignored.",
            goes_on(),
            rows="F-32 C-41",
        ),
    )
)

STREAMS_BLOCKED = tuple(
    one
    for kind, is_uni in _KINDS
    for one in (
        _stream_count(
            f"rfc9000/19.14/streams-blocked-{kind}-too-many",
            frames.streams_blocked(frames.MOST_STREAMS + 1, unidirectional=is_uni),
            f"STREAMS_BLOCKED at more than 2^60 {kind} streams closes the connection.",
            closes(FRAME_ENCODING_ERROR, STREAM_LIMIT_ERROR),
            rows="F-31 C-41",
        ),
        _stream_count(
            f"rfc9000/19.14/streams-blocked-{kind}-most",
            frames.streams_blocked(frames.MOST_STREAMS, unidirectional=is_uni),
            f"STREAMS_BLOCKED at 2^60 {kind} streams, the most there can be, is taken.",
            goes_on(),
            rows="F-31 C-41",
            level=Level.MAY,  # the frame is well formed, but says what cannot be so
        ),
    )
)
