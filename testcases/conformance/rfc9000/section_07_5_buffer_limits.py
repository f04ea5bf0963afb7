"""RFC 9000, 7.5: the buffer of CRYPTO data that is received out of order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.parameters import added, reserved
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.testcases.conformance.codes import CRYPTO_BUFFER_EXCEEDED
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

LEAST_BUFFER = 4096
BEGINNING = 64
"""Bytes of the first message."""
FAR_AHEAD = 1 << 20


@case("rfc9000/7.5/4096-bytes-out-of-order", Level.MUST, rows="P-29", expects=goes_on())
async def buffers_4096_bytes(tester: Tester) -> None:
    """4096 bytes of CRYPTO data that come before those in front of them are buffered."""
    kind = INITIAL if tester.is_client else HANDSHAKE
    peer = await tester.connecting(
        alter_parameters=added(reserved(2), bytes(LEAST_BUFFER)), prepare=withholding(kind)
    )
    messages = await peer.withheld(kind)
    at = len(messages) - LEAST_BUFFER
    # The beginning comes first: a server may answer anything else with a Retry (RFC 9001, 4.3).
    await peer.send_crypto(messages[:BEGINNING], kind=kind)
    await peer.send_crypto(messages[at:], at, kind=kind, step="stimulus")
    await peer.send_crypto(messages[BEGINNING:at], BEGINNING, kind=kind)


@case(
    "rfc9000/7.5/buffer-exceeded",
    Level.MUST,
    rows="P-28",
    expects=closes(CRYPTO_BUFFER_EXCEEDED),
)
async def buffer_exceeded(tester: Tester) -> None:
    """CRYPTO data that the buffer has no room for closes the connection during the handshake."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    messages = await peer.withheld()
    await peer.stimulus(frames.crypto(b"far ahead", FAR_AHEAD), kind=HANDSHAKE)
    await peer.send_crypto(messages, kind=HANDSHAKE)
