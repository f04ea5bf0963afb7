"""RFC 9000, 19.4 and 19.5: RESET_STREAM and STOP_SENDING frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import STREAM_LIMIT_ERROR, STREAM_STATE_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

UNOPENED = 50
"""The number of a stream that no implementation opens by itself."""


@case(
    "rfc9000/19.4/reset-stream-on-send-only-stream",
    Level.MUST,
    rows="F-20 C-41",
    expects=closes(STREAM_STATE_ERROR),
)
async def reset_stream_on_send_only_stream(tester: Tester) -> None:
    """RESET_STREAM for a send-only stream closes the connection with STREAM_STATE_ERROR."""
    peer = await tester.connected()
    stream = peer.stream_id(0, ours=False, unidirectional=True)
    await peer.stimulus(frames.reset_stream(stream, 0, 0))


@case(
    "rfc9000/19.5/stop-sending-on-stream-not-created",
    Level.MUST,
    rows="F-25 C-41",
    expects=closes(STREAM_STATE_ERROR),
)
async def stop_sending_on_stream_not_created(tester: Tester) -> None:
    """STOP_SENDING for a stream that its receiver has yet to create is a STREAM_STATE_ERROR."""
    peer = await tester.connected()
    await peer.stimulus(frames.stop_sending(peer.stream_id(UNOPENED, ours=False), 0))


@case(
    "rfc9000/19.5/stop-sending-on-receive-only-stream",
    Level.MUST,
    rows="F-26 C-41",
    expects=closes(STREAM_STATE_ERROR, STREAM_LIMIT_ERROR),
)
async def stop_sending_on_receive_only_stream(tester: Tester) -> None:
    """STOP_SENDING for a receive-only stream closes the connection with STREAM_STATE_ERROR."""
    peer = await tester.connected()
    stream = peer.stream_id(0, ours=True, unidirectional=True)
    await peer.stimulus(frames.stop_sending(stream, 0))
