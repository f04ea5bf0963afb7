"""RFC 9000, 19.6 and 19.7: CRYPTO and NEW_TOKEN frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import (
    CRYPTO_BUFFER_EXCEEDED,
    FRAME_ENCODING_ERROR,
    PROTOCOL_VIOLATION,
)
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/19.6/crypto-beyond-largest-offset",
    Level.MUST,
    rows="F-33 C-41",
    expects=closes(FRAME_ENCODING_ERROR, CRYPTO_BUFFER_EXCEEDED),
)
async def crypto_beyond_largest_offset(tester: Tester) -> None:
    """A CRYPTO frame that ends beyond 2^62-1 during the handshake closes the connection."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(frames.crypto(b"x", frames.LARGEST), kind=QuicPacketType.HANDSHAKE)


@case(
    "rfc9000/19.7/new-token-to-server",
    Level.MUST,
    rows="F-12",
    roles=SERVER,
    expects=closes(PROTOCOL_VIOLATION),
)
async def new_token_to_server(tester: Tester) -> None:
    """A server that receives NEW_TOKEN closes the connection with PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.stimulus(frames.new_token(b"token"))


@case(
    "rfc9000/19.7/empty-token",
    Level.MUST,
    rows="F-13 C-41",
    roles=CLIENT,
    expects=closes(FRAME_ENCODING_ERROR),
)
async def empty_token(tester: Tester) -> None:
    """A client that receives an empty token closes the connection with FRAME_ENCODING_ERROR."""
    peer = await tester.connected()
    await peer.stimulus(frames.new_token(b""))
