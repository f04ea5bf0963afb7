"""RFC 9000, 8.1.3: address validation for future connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.runner.trace.model import NewToken, Packet
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

TOKEN_BYTES = 64


async def _token(tester: Tester) -> bytes:
    """The token that a first connection is given."""
    peer = await tester.connected()
    if not await peer.until(lambda: bool(peer.tokens), "a NEW_TOKEN frame"):
        tester.not_applicable("the server gives no token")
    return peer.tokens[0]


@case(
    "rfc9000/8.1.3/token-of-an-earlier-connection",
    Level.SHOULD,
    rows="S-32",
    roles=SERVER,
    expects=goes_on(),
)
async def token_of_an_earlier_connection(tester: Tester) -> None:
    """A client with the token of a NEW_TOKEN frame is served on its next connection."""
    token = await _token(tester)
    await tester.connecting(token=token, path=tester.new_path(), stimulus=True)


@case(
    "rfc9000/8.1.3/token-of-nobody",
    Level.SHOULD,
    rows="S-33",
    roles=SERVER,
    expects=goes_on(),
)
async def token_of_nobody(tester: Tester) -> None:
    """A server proceeds with a client whose token it cannot validate."""
    await tester.connecting(token=random_bytes(TOKEN_BYTES), stimulus=True)


def gives_other_tokens(exchange: Exchange) -> Iterator[Finding]:
    """Tokens that differ between connections."""
    given: dict[bytes, Packet] = {}
    for packet in exchange.capture.packets:
        for frame in packet.frames:
            if packet.sender is exchange.side and isinstance(frame, NewToken):
                first = given.setdefault(frame.token, packet)
                if first.dcid != packet.dcid and first.connection != packet.connection:
                    yield Violation("it gives the token of another connection", packet, first)
                else:
                    yield Held(packet)


@case(
    "rfc9000/8.1.3/tokens-of-two-connections",
    Level.MUST,
    rows="S-34",
    roles=SERVER,
    expects=shows(gives_other_tokens),
)
async def tokens_of_two_connections(tester: Tester) -> None:
    """The token of a NEW_TOKEN frame is unique across all clients."""
    await _token(tester)
    peer = await tester.connecting(path=tester.new_path(), stimulus=True)
    await peer.until(lambda: bool(peer.tokens), "another NEW_TOKEN frame")
