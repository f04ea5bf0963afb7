"""RFC 9000, 8.1: what a client does when its server sends no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.replies import unprompted
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

BACKOFF_S = 5.0
"""Seconds in which a client that gets no answer sends its Initial again twice."""


def probes_with_handshake_packets(exchange: Exchange) -> Iterator[Finding]:
    """A Handshake packet before the server sends anything else."""
    found = unprompted(exchange, PacketType.HANDSHAKE)
    if found:
        yield Held(found[0], exchange.stimulus)
    else:
        yield Violation(
            "it sends no Handshake packet, and the server may not send any more",
            exchange.stimulus,
            side=exchange.side,
        )


@case(
    "rfc9000/8.1/deadlock-after-the-server-hello",
    Level.MUST,
    rows="C-55",
    roles=CLIENT,
    expects=shows(probes_with_handshake_packets),
)
async def deadlock_after_the_server_hello(tester: Tester) -> None:
    """A client with Handshake keys, and nothing to send, sends a Handshake packet on a PTO."""
    peer = await tester.connecting(held_back=True)
    connection = peer.connection
    hello = connection.unacknowledged_crypto(INITIAL)
    number = connection.largest_received_in(INITIAL)
    await peer.stimulus(frames.ack(number), frames.crypto(hello), kind=INITIAL)
    await tester.until(
        lambda: connection.largest_received_in(HANDSHAKE) >= 0, "a Handshake packet", BACKOFF_S
    )
