"""RFC 9000, 19.18 to 19.20: PATH_RESPONSE, CONNECTION_CLOSE and HANDSHAKE_DONE frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.testcases.conformance.codes import FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/19.18/unsolicited-path-response",
    Level.MAY,
    rows="F-50 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def unsolicited_path_response(tester: Tester) -> None:
    """A PATH_RESPONSE that answers no PATH_CHALLENGE can close the connection."""
    peer = await tester.connected()
    await peer.stimulus(frames.path_response(random_bytes(8)))


@case(
    "rfc9000/19.19/overlong-reason-phrase",
    Level.MAY,
    rows="F-60 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def overlong_reason_phrase(tester: Tester) -> None:
    """CONNECTION_CLOSE with a reason phrase longer than the packet ends the connection anyway."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.frame(FrameType.CONNECTION_CLOSE, 0, 0, 1000, b"reason"))


@case(
    "rfc9000/19.20/handshake-done-to-server",
    Level.MUST,
    rows="F-11",
    roles=SERVER,
    expects=closes(PROTOCOL_VIOLATION),
)
async def handshake_done_to_server(tester: Tester) -> None:
    """A server that receives HANDSHAKE_DONE closes the connection with PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.stimulus(frames.handshake_done())
