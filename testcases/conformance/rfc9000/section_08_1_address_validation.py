"""RFC 9000, 8.1: address validation during connection establishment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import INITIAL, random_bytes
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import LONG_CHAIN, SERVER, case
from quicmatrix.testcases.conformance.openings import client_hello, unsent
from quicmatrix.testcases.model import Finding, Level, NotExercised
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit
from quicmatrix.testcases.views.datagrams import AMPLIFICATION

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

RETRANSMISSIONS_S = 4.0
"""Seconds in which a server that knows no round-trip time sends again twice (RFC 9002, 6.2.2)."""
UNTIL_NEXT_DATAGRAM = 1200
"""Bytes of a datagram that a server may have to hold back."""


def keeps_to_three_times(exchange: Exchange) -> Iterator[Finding]:
    """At most three times of what came, to addresses that are not validated."""
    stimulus = exchange.stimulus
    there = [one for one in exchange.capture.datagrams if one.path == stimulus.path]
    received = sum(one.size for one in there if one.sender is exchange.tester)
    sent = sum(one.size for one in there if one.sender is exchange.side)
    if sent + UNTIL_NEXT_DATAGRAM <= AMPLIFICATION * received:
        yield NotExercised(f"it sends {sent} bytes for {received}, and has no need of more")
    else:
        yield from server_keeps_to_the_amplification_limit(exchange.seen)


@case(
    "rfc9000/8.1/three-times-with-retransmissions",
    Level.MUST,
    rows="S-23",
    roles=SERVER,
    flow=LONG_CHAIN,
    expects=shows(keeps_to_three_times),
)
async def three_times_with_retransmissions(tester: Tester) -> None:
    """To an address that is not validated a server sends three times of what came, in all."""
    peer = await unsent(tester, elsewhere=True)
    hello = client_hello(peer)
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    allowed = AMPLIFICATION * len(hello.datagram)
    await tester.until(
        lambda: sum(len(data) for data, _ in peer.arrivals) > allowed,
        "more than three times",
        RETRANSMISSIONS_S,
    )
    await tester.connected()


@case(
    "rfc9000/8.1/three-times-of-all-that-came",
    Level.MUST,
    rows="S-24",
    roles=SERVER,
    flow=LONG_CHAIN,
    expects=shows(keeps_to_three_times),
)
async def three_times_of_all_that_came(tester: Tester) -> None:
    """Another datagram from an address that is not validated lets a server send as much again."""
    peer = await unsent(tester)
    destination = peer.connection.peer_connection_id
    hello = client_hello(peer)
    peer.send_datagram(hello.datagram, sent=hello)
    await peer.until(lambda: len(peer.arrivals) >= AMPLIFICATION, "three datagrams")
    await peer.stimulus(frames.ping(), kind=INITIAL, shape=Shape(dcid=destination))
    await peer.until(lambda: len(peer.arrivals) > AMPLIFICATION, "more datagrams")
    peer.release()


@case(
    "rfc9000/8.1/unknown-token-validates-nothing",
    Level.MUST,
    rows="S-33",
    roles=SERVER,
    flow=LONG_CHAIN,
    expects=shows(keeps_to_three_times),
)
async def unknown_token_validates_nothing(tester: Tester) -> None:
    """A token that the server did not issue lets it send no more than three times of what came."""
    peer = await unsent(tester, elsewhere=True)
    hello = client_hello(peer, Shape(number=0, token=random_bytes(64)))
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    await peer.until(lambda: len(peer.arrivals) > AMPLIFICATION, "more datagrams")
    await tester.connected()
