"""RFC 9000, 10.2.2: the draining state, during the handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.testcases.conformance.expectations import drains
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/10.2.2/close-in-an-initial-packet",
    Level.MAY,
    rows="C-52",
    roles=CLIENT,
    expects=drains(),
)
async def close_in_an_initial_packet(tester: Tester) -> None:
    """A client ends its attempt when an Initial packet closes it."""
    peer = await tester.connecting(held_back=True)
    await peer.stimulus(frames.connection_close(0x02), kind=INITIAL)
    peer.forget_flight()


@case(
    "rfc9000/10.2.2/close-in-a-handshake-packet",
    Level.MUST,
    rows="C-52",
    roles=CLIENT,
    expects=drains(),
)
async def close_in_a_handshake_packet(tester: Tester) -> None:
    """A client sends no more when a Handshake packet closes the connection."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(frames.connection_close(0x01), kind=HANDSHAKE)
