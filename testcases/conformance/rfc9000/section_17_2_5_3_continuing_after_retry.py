"""RFC 9000, 17.2.5.3: continuing a handshake after a Retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import INITIAL, random_bytes
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import RETRY, SERVER, case
from quicmatrix.testcases.conformance.openings import with_retry
from quicmatrix.testcases.conformance.replies import makes_no_handshake
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/17.2.5.3/other-client-hello-after-retry",
    Level.MAY,
    rows="S-36",
    roles=SERVER,
    flow=RETRY,
    expects=shows(makes_no_handshake),
)
async def other_client_hello_after_retry(tester: Tester) -> None:
    """A server may refuse a ClientHello that is not the one from before its Retry."""
    peer = await with_retry(tester)
    hello = _with_other_random(peer.client_hello)
    token = Shape(token=peer.connection.token)
    await peer.stimulus(frames.crypto(hello), kind=INITIAL, shape=token)
    await peer.until(lambda: len(peer.arrivals) > 1, "an answer")
    await tester.connected(path=tester.new_path())


def _with_other_random(hello: bytes) -> bytes:
    """A ClientHello with another Random, which is in bytes 6 to 37 (RFC 8446, 4.1.2)."""
    return hello[:6] + random_bytes(32) + hello[38:]
