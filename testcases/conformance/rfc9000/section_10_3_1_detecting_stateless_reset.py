"""RFC 9000, 10.3.1: detecting stateless resets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.arrivals import destination_of
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

TOKEN_BYTES = 16
UNPREDICTABLE_BYTES = 27
_FIRST_BYTE = b"\x41"


def stateless_reset(token: bytes) -> bytes:
    """A datagram that looks like a packet with a short header, and ends with a token."""
    return _FIRST_BYTE + random_bytes(UNPREDICTABLE_BYTES - 1) + token


def sends_no_more(exchange: Exchange) -> Iterator[Finding]:
    """No packet of the connection after its stateless reset; a new connection may follow."""
    for packet in exchange.after:
        if packet.decrypted and packet.type in (PacketType.ONE_RTT, PacketType.HANDSHAKE):
            words = "it goes on with the connection that was reset"
            yield Violation(words, packet, exchange.stimulus)
            return
    yield Held(exchange.stimulus, message="it sends no more")


async def _with_token_in_use(tester: Tester) -> tuple[Peer, bytes]:
    """A connection, and the stateless reset token of the connection ID that it sends to.

    A server's is that of its transport parameters; a client replaces its first connection ID,
    which has none.
    """
    peer = await tester.connected()
    if tester.is_client:
        retired = peer.connection.next_sequence_number
        frame = peer.issue_connection_id(retire_prior_to=retired)
        await peer.acknowledged(await peer.send(frame))
        if not await peer.received(FrameType.RETIRE_CONNECTION_ID):
            tester.not_applicable("it does not retire our connection IDs")
    await peer.settled()
    in_use = destination_of(peer.arrivals[-1][0])
    issued = {one.cid: one.stateless_reset_token for one in peer.connection.issued_connection_ids}
    if in_use not in issued:
        tester.not_applicable("it sends to a connection ID that was not issued")
    return peer, issued[in_use]


@case(
    "rfc9000/10.3.1/token-in-use",
    Level.MUST,
    rows="B-32 C-40",
    expects=shows(sends_no_more),
)
async def token_in_use(tester: Tester) -> None:
    """A datagram that ends with the token of the connection ID in use ends the connection."""
    peer, token = await _with_token_in_use(tester)
    peer.send_datagram(stateless_reset(token), step="stimulus")


@case(
    "rfc9000/10.3.1/token-of-nobody",
    Level.MUST,
    rows="B-33",
    expects=goes_on(),
)
async def token_of_nobody(tester: Tester) -> None:
    """A datagram that ends with a token which was not issued is no stateless reset."""
    peer = await tester.connected()
    peer.send_datagram(stateless_reset(random_bytes(TOKEN_BYTES)), step="stimulus")


@case(
    "rfc9000/10.3.1/token-of-an-unused-connection-id",
    Level.MUST,
    rows="B-33",
    expects=goes_on(),
)
async def token_of_an_unused_connection_id(tester: Tester) -> None:
    """The token of a connection ID that was not used yet is not looked for."""
    peer = await tester.connected()
    unused = peer.connection.issued_connection_ids[-1]
    peer.send_datagram(stateless_reset(unused.stateless_reset_token), step="stimulus")
