"""RFC 9000, 8.1.2 and 8.1.4: address validation using Retry packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.testcases.conformance.codes import INVALID_TOKEN
from quicmatrix.testcases.conformance.expectations import closes, shows
from quicmatrix.testcases.conformance.model import RETRY, SERVER, case
from quicmatrix.testcases.conformance.openings import client_hello, with_retry
from quicmatrix.testcases.conformance.replies import makes_no_handshake
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def _flipped(token: bytes) -> bytes:
    at = len(token) // 2
    return token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]


@case(
    "rfc9000/8.1.2/invalid-retry-token",
    Level.SHOULD,
    rows="S-30",
    roles=SERVER,
    flow=RETRY,
    expects=closes(INVALID_TOKEN),
)
async def invalid_retry_token(tester: Tester) -> None:
    """A Retry token that is not valid closes the connection with INVALID_TOKEN."""
    peer = await with_retry(tester)
    hello = client_hello(peer, Shape(token=_flipped(peer.connection.token)))
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    await peer.until(lambda: len(peer.arrivals) > 1, "an answer")
    peer.release()


@case(
    "rfc9000/8.1.4/retry-token-from-another-port",
    Level.SHOULD,
    rows="S-31",
    roles=SERVER,
    flow=RETRY,
    expects=shows(makes_no_handshake),
)
async def retry_token_from_another_port(tester: Tester) -> None:
    """A Retry token is valid for the address and port that it was sent to."""
    peer = await with_retry(tester)
    hello = client_hello(peer, Shape(token=peer.connection.token))
    elsewhere = tester.new_path(is_watched=True)
    peer.send_datagram(hello.datagram, path=elsewhere, step="stimulus", sent=hello)
    await tester.answers()
    await tester.connected(path=tester.new_path())
