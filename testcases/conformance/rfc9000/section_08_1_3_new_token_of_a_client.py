"""RFC 9000, 8.1.3: what a client does with tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.runner.trace.model import NewToken, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, RESUMPTION, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def uses_the_token(exchange: Exchange) -> Iterator[Finding]:
    """The token in the Initial packets of the next connection."""
    given = {
        frame.token
        for packet in exchange.capture.packets
        for frame in packet.frames
        if packet.sender is exchange.tester and isinstance(frame, NewToken)
    }
    initials = [packet for packet in exchange.after if packet.type is PacketType.INITIAL]
    if not initials:
        return
    if initials[0].token in given:
        yield Held(initials[0], exchange.stimulus)
    else:
        yield Violation("it has no token", initials[0], exchange.stimulus)


@case(
    "rfc9000/8.1.3/token-for-the-next-connection",
    Level.SHOULD,
    rows="C-51",
    roles=CLIENT,
    flow=RESUMPTION,
    expects=shows(uses_the_token),
)
async def token_for_the_next_connection(tester: Tester) -> None:
    """A client uses the token of a NEW_TOKEN frame on its next connection to the server."""
    peer = await tester.connected()
    await peer.acknowledged(await peer.stimulus(frames.new_token(random_bytes(40))))
    for stream_id, path in peer.requests.items():
        peer.respond(stream_id, tester.file(path))
    await peer.until(lambda: peer.is_over, "the end of the first connection")
    peer.stop()
    await tester.connected()
