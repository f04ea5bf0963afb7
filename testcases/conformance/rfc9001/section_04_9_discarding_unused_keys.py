"""RFC 9001, 4.9: discarding unused keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import all_of, discards, shows
from quicmatrix.testcases.conformance.model import Expectation, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def _sends_no(kind: PacketType) -> Expectation:
    """No more packets of a type."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        for packet in exchange.after:
            if packet.type is kind:
                yield Violation(f"it still sends {kind} packets", packet, exchange.stimulus)
                return
        yield Held(exchange.stimulus)

    return shows(check)


@case(
    "rfc9001/4.9.1/initial-after-the-handshake",
    Level.MUST,
    rows="P-37",
    expects=all_of(discards(), _sends_no(PacketType.INITIAL)),
)
async def initial_after_the_handshake(tester: Tester) -> None:
    """After the handshake an endpoint neither takes nor sends Initial packets."""
    peer = await tester.connected()
    await peer.stimulus(frames.ping(), kind=INITIAL)


@case(
    "rfc9001/4.9.2/handshake-packet-after-confirmation",
    Level.MUST,
    rows="P-38",
    expects=all_of(discards(), _sends_no(PacketType.HANDSHAKE)),
)
async def handshake_packet_after_confirmation(tester: Tester) -> None:
    """Once the handshake is confirmed an endpoint neither takes nor sends Handshake packets."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.ping(), kind=HANDSHAKE)
