"""RFC 9000, 18.2: how large the datagrams are that a peer takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.parameters import Parameter, replaced
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

SMALLEST_ALLOWED = 1200


def sends_small_datagrams(exchange: Exchange) -> Iterator[Finding]:
    """No datagram after the stimulus is larger than the peer takes."""
    for packet in exchange.after:
        if packet.datagram.size > SMALLEST_ALLOWED:
            yield Violation(f"a datagram has {packet.datagram.size} bytes", packet)
            return
        yield Held(packet)


@case(
    "rfc9000/18.2/datagrams-as-large-as-announced",
    Level.MAY,
    rows="B-41",
    expects=shows(sends_small_datagrams),
)
async def datagrams_as_large_as_announced(tester: Tester) -> None:
    """An endpoint sends no datagrams larger than its peer's max_udp_payload_size."""
    peer = await tester.connecting(
        alter_parameters=replaced(Parameter.MAX_UDP_PAYLOAD_SIZE, SMALLEST_ALLOWED), stimulus=True
    )
    await peer.confirmed()
