"""RFC 9114, 4.6: server push, which a client permits with MAX_PUSH_ID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.frames import varint
from quicmatrix.endpoint.tester.http3 import H3Frame, StreamKind
from quicmatrix.testcases.conformance.codes import H3_ID_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import CLIENT, HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9114/4.6/push-stream-that-is-not-permitted",
    Level.MUST,
    rows="H-43",
    roles=CLIENT,
    flow=HTTP3,
    expects=closes(H3_ID_ERROR),
)
async def push_stream_that_is_not_permitted(tester: Tester) -> None:
    """A push stream beyond what MAX_PUSH_ID permits is refused with H3_ID_ERROR."""
    peer = await tester.connected()
    peer.open_stimulus(http3.stream(StreamKind.PUSH, varint(await _forbidden_push(peer))))


@case(
    "rfc9114/7.2.5/push-promise-that-is-not-permitted",
    Level.MUST,
    rows="H-43",
    roles=CLIENT,
    flow=HTTP3,
    expects=closes(H3_ID_ERROR),
)
async def push_promise_that_is_not_permitted(tester: Tester) -> None:
    """PUSH_PROMISE beyond what MAX_PUSH_ID permits is refused with H3_ID_ERROR."""
    peer = await tester.connected()
    promised = http3.push_promise(await _forbidden_push(peer), http3.request_fields("/other"))
    peer.message_stimulus(promised)


async def _forbidden_push(peer: Peer) -> int:
    """A push ID that the client has not permitted."""
    await peer.setting(http3.Setting.QPACK_MAX_TABLE_CAPACITY)
    permitted = [
        int.from_bytes(payload) & (1 << (8 * len(payload) - 2)) - 1
        for kind, payload in http3.whole_frames(peer.streams[peer.control_of_peer][1:])
        if kind == H3Frame.MAX_PUSH_ID and payload
    ]
    return max(permitted, default=-1) + 1
