"""RFC 9000, 17.2.2: Initial packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
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
