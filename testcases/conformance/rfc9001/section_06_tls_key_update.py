"""RFC 9001, 6: KeyUpdate of TLS, which QUIC has its own key update for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import tls_messages
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.peer import HANDSHAKE, next_crypto
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION, UNEXPECTED_MESSAGE
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9001/6/tls-key-update",
    Level.MUST,
    rows="P-30 C-32",
    expects=closes(UNEXPECTED_MESSAGE),
)
async def tls_key_update(tester: Tester) -> None:
    """A KeyUpdate of TLS closes the connection with unexpected_message."""
    peer = await tester.connected()
    await peer.stimulus(next_crypto(peer, tls_messages.key_update()))


@case(
    "rfc9001/6/tls-key-update-behind-finished",
    Level.MUST,
    rows="P-48",
    expects=closes(UNEXPECTED_MESSAGE, PROTOCOL_VIOLATION),
)
async def tls_key_update_behind_finished(tester: Tester) -> None:
    """A KeyUpdate of TLS behind the Finished, in a Handshake packet, closes the connection."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    messages = await peer.withheld() + tls_messages.key_update()
    await peer.send_crypto(messages, kind=HANDSHAKE, step="stimulus")
