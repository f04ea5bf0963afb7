"""RFC 9001, 4.1: TLS messages at their encryption levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import tls_messages
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL, next_crypto
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION, UNEXPECTED_MESSAGE
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9001/4.1.3/data-at-a-previous-level",
    Level.MUST,
    rows="P-26 C-36",
    expects=closes(PROTOCOL_VIOLATION, discards=True),
)
async def data_at_a_previous_level(tester: Tester) -> None:
    """New CRYPTO data in an Initial packet is refused once TLS has the keys of the next level."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    sent = await peer.stimulus(next_crypto(peer, tls_messages.unknown(), INITIAL), kind=INITIAL)
    await peer.acknowledged(sent)
    await peer.send_crypto(await peer.withheld(), kind=HANDSHAKE)


@case(
    "rfc9001/4.1.3/unconsumed-data",
    Level.MUST,
    rows="P-26 C-36",
    expects=closes(PROTOCOL_VIOLATION, UNEXPECTED_MESSAGE),
)
async def unconsumed_data(tester: Tester) -> None:
    """Data that is left behind the last message of an encryption level is refused."""
    peer = await tester.connecting(prepare=withholding(INITIAL, HANDSHAKE))
    hello = await peer.withheld(INITIAL)
    await peer.send_crypto(hello + tls_messages.unknown(), kind=INITIAL, step="stimulus")
    await peer.send_crypto(await peer.withheld(), kind=HANDSHAKE)
