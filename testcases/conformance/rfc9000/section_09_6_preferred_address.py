"""RFC 9000, 9 and 9.6: what a client does with a preferred address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.parameters import Parameter, added
from quicmatrix.runner.trace.model import Packet
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import all_of, goes_on, keeps, shows
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.paths import is_probing
from quicmatrix.testcases.interop.connectionmigration import client_validates_the_preferred_address
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

PREFERRED_PORT = 4443


async def _preferring(tester: Tester, *, other_family: bool = False, is_dead: bool = False) -> Peer:
    """A connection whose server, the tester, prefers another address.

    Args:
        tester: It is a server.
        other_family: Whether the address is of the other family than the client's.
        is_dead: Whether nothing answers there.
    """
    first = await tester.initial()
    tester.another_port(PREFERRED_PORT, is_watched=is_dead)
    ipv4, ipv6 = tester.addresses(first, PREFERRED_PORT)
    if (":" in first.address[0] and not first.address[0].startswith("::ffff:")) is other_family:
        ipv6 = None
    else:
        ipv4 = None
    if ipv4 is None and ipv6 is None:
        tester.not_applicable("this host has no address of that family")
    peer = await tester.connecting(
        first=first, stimulus=True, prepare=lambda connection: connection.prefer(ipv4, ipv6)
    )
    await peer.confirmed()
    return peer


def on_another_address(exchange: Exchange) -> tuple[Packet, ...]:
    """Its packets to another address than the first one."""
    start = exchange.capture.datagrams[0].path.server
    return tuple(packet for packet in exchange.after if packet.path.server != start)


@case(
    "rfc9000/9.6.2/preferred-address-is-validated",
    Level.MUST,
    rows="B-18 C-49",
    roles=CLIENT,
    expects=keeps(client_validates_the_preferred_address),
)
async def preferred_address_is_validated(tester: Tester) -> None:
    """A client validates a preferred address before it migrates there."""
    peer = await _preferring(tester)
    await peer.until(lambda: bool(peer.requests), "a request")


def stays_at_the_first_address(exchange: Exchange) -> Iterator[Finding]:
    """Nothing but probing packets to another address."""
    for packet in on_another_address(exchange):
        if not is_probing(packet):
            yield Violation("it has moved to an address that does not answer", packet)
            return
    yield Held(exchange.stimulus)


@case(
    "rfc9000/9.6.1/preferred-address-that-does-not-answer",
    Level.MUST,
    rows="B-18 C-49",
    roles=CLIENT,
    expects=all_of(shows(stays_at_the_first_address), goes_on()),
)
async def preferred_address_that_does_not_answer(tester: Tester) -> None:
    """A client whose path to the preferred address fails goes on with the original address."""
    peer = await _preferring(tester, is_dead=True)
    await peer.until(lambda: bool(peer.requests), "a request")


def takes_the_address(exchange: Exchange) -> Iterator[Finding]:
    """Packets to the preferred address."""
    found = on_another_address(exchange)
    if found:
        yield Held(found[0], exchange.stimulus)
    else:
        yield Violation(
            "it sends nothing to the preferred address", exchange.stimulus, side=exchange.side
        )


@case(
    "rfc9000/9.6.1/preferred-address",
    Level.SHOULD,
    rows="C-60",
    roles=CLIENT,
    expects=shows(takes_the_address),
)
async def preferred_address(tester: Tester) -> None:
    """Once the handshake is confirmed, a client validates the path to a preferred address."""
    peer = await _preferring(tester)
    await peer.until(lambda: bool(peer.requests), "a request")


@case(
    "rfc9000/9.6.1/preferred-address-of-the-other-family",
    Level.SHOULD,
    rows="C-60",
    roles=CLIENT,
    expects=shows(takes_the_address),
)
async def preferred_address_of_the_other_family(tester: Tester) -> None:
    """A client whose host has that family takes a preferred address of the other family."""
    peer = await _preferring(tester, other_family=True)
    await peer.until(lambda: bool(peer.requests), "a request")


def stays_where_it_is(exchange: Exchange) -> Iterator[Finding]:
    """No packet from another address of its own to the address of the handshake."""
    start = exchange.capture.datagrams[0].path
    for packet in exchange.after:
        if packet.path.server == start.server and packet.path.client != start.client:
            yield Violation(f"it sends from {packet.path.client}", packet, exchange.stimulus)
            return
    for packet in exchange.after[-1:]:
        yield Held(packet)


@case(
    "rfc9000/9/disable-active-migration",
    Level.MUST,
    rows="B-16",
    roles=CLIENT,
    expects=shows(stays_where_it_is),
)
async def disable_active_migration(tester: Tester) -> None:
    """A client whose server has sent disable_active_migration sends from no other address."""
    await tester.connected(
        alter_parameters=added(Parameter.DISABLE_ACTIVE_MIGRATION, b""), stimulus=True
    )
