"""RFC 9000, 17.2.2: Initial packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import INITIAL
from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import closes, shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, Case, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester


def has_no_tokens(exchange: Exchange) -> Iterator[Finding]:
    """Initial packets without a token."""
    for packet in exchange.after:
        if packet.type is PacketType.INITIAL:
            if packet.token:
                yield Violation(f"it has a token of {len(packet.token)} bytes", packet)
            else:
                yield Held(packet)


@case(
    "rfc9000/17.2.2/initials-of-a-server",
    Level.MUST,
    rows="S-26",
    roles=SERVER,
    expects=shows(has_no_tokens),
)
async def initials_of_a_server(tester: Tester) -> None:
    """An Initial packet of a server has no token."""
    await tester.connected(stimulus=True)


@case(
    "rfc9000/17.2.2/token-of-a-server",
    Level.MUST,
    rows="C-34",
    roles=CLIENT,
    expects=closes(PROTOCOL_VIOLATION, discards=True),
)
async def token_of_a_server(tester: Tester) -> None:
    """A client discards an Initial packet with a token, or closes with PROTOCOL_VIOLATION."""
    peer = await tester.connecting(held_back=True)
    await peer.stimulus(frames.ping(), kind=INITIAL, shape=Shape(token=b"token"))
    peer.release()


def _before_the_server_hello(name: str, make: Callable[[Peer], bytes]) -> Case:
    async def script(tester: Tester) -> None:
        peer = await tester.connecting(held_back=True)
        await peer.stimulus(make(peer), kind=INITIAL)
        peer.release()

    script.__doc__ = (
        f"An Initial packet with {name.upper().replace('-', '_')}, before any ServerHello, is "
        "discarded or closes the connection."
    )
    return case(
        f"rfc9000/17.2.2/{name}-before-the-server-hello",
        Level.MUST,
        rows="C-35",
        roles=CLIENT,
        expects=closes(PROTOCOL_VIOLATION, discards=True),
    )(script)


STREAM_BEFORE_THE_SERVER_HELLO = _before_the_server_hello(
    "stream", lambda peer: frames.stream(peer.stream_id(0, ours=True), b"data")
)
HANDSHAKE_DONE_BEFORE_THE_SERVER_HELLO = _before_the_server_hello(
    "handshake-done", lambda _: frames.handshake_done()
)
