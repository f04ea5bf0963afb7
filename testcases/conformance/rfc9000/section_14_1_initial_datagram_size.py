"""RFC 9000, 14.1: the size of datagrams with Initial packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import client_hello, unsent
from quicmatrix.testcases.conformance.packets import is_ack_eliciting
from quicmatrix.testcases.conformance.replies import not_served
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/14.1/initial-in-1199-bytes",
    Level.MUST,
    rows="S-09",
    roles=SERVER,
    expects=not_served(),
)
async def initial_in_1199_bytes(tester: Tester) -> None:
    """A server discards an Initial packet in a datagram of less than 1200 bytes."""
    peer = await unsent(tester, elsewhere=True)
    hello = client_hello(peer, Shape(number=0, datagram_size=DATAGRAM_BYTES - 1))
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    await tester.connected()


def expands_initials(exchange: Exchange) -> Iterator[Finding]:
    """Datagrams with ack-eliciting Initial packets have 1200 bytes."""
    for packet in exchange.after:
        if packet.type is PacketType.INITIAL and is_ack_eliciting(packet):
            if packet.datagram.size < DATAGRAM_BYTES:
                yield Violation(f"it is in a datagram of {packet.datagram.size} bytes", packet)
            else:
                yield Held(packet)


@case(
    "rfc9000/14.1/initials-of-a-server",
    Level.MUST,
    rows="S-25",
    roles=SERVER,
    expects=shows(expands_initials),
)
async def initials_of_a_server(tester: Tester) -> None:
    """A server's datagram with an ack-eliciting Initial packet has 1200 bytes at least."""
    await tester.connected(stimulus=True)
