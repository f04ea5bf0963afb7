"""RFC 9369, 5: session tickets, which are of one version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration

from quicmatrix.endpoint.tester import flows
from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    ClientHello,
    PacketType,
    ServerHello,
)
from quicmatrix.testcases.conformance.exchange import Exchange, messages
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, V2, V2_RESUMPTION, case
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def does_not_resume(exchange: Exchange) -> Iterator[Finding]:
    """No ServerHello after the stimulus selects the session."""
    after = exchange.stimulus.frame_number
    for packet, hello in messages(exchange.capture, ServerHello):
        if packet.datagram.frame_number < after:
            continue
        if hello.selects_psk:
            yield Violation("it resumes the session", packet, exchange.stimulus)
        else:
            yield Held(packet, exchange.stimulus)


def offers_ticket_of_the_same_version(exchange: Exchange) -> Iterator[Finding]:
    """A ticket is offered in the version that was negotiated where it was given."""
    used = [
        packet.version
        for packet in exchange.capture.packets
        if packet.type is PacketType.HANDSHAKE and packet.sender is exchange.side
    ]
    for packet, hello in messages(exchange.capture, ClientHello):
        if not hello.offers_psk or not used:
            continue
        if packet.version == used[0]:
            yield Held(packet)
        else:
            yield Violation(
                f"it offers a ticket of version {used[0]:#x} in version {packet.version:#x}", packet
            )
    if not any(hello.offers_psk for _, hello in messages(exchange.capture, ClientHello)):
        yield NotExercised("it offers no ticket")


def speaking(version: int) -> Callable[[QuicConfiguration], None]:
    """Speak one version alone, from the first packet."""

    def configure(configuration: QuicConfiguration) -> None:
        configuration.supported_versions = [version]
        configuration.original_version = version

    return configure


@case(
    "rfc9369/5/ticket-of-version-1-in-version-2",
    Level.MUST,
    rows="X-06",
    roles=SERVER,
    flow=V2,
    expects=shows(does_not_resume),
)
async def ticket_of_version_1_in_version_2(tester: Tester) -> None:
    """A server does not accept a session ticket of version 1 in version 2."""
    first = await flows.first_connection(tester, configure=speaking(VERSION_1))
    await tester.connecting(ticket=first.ticket, configure=speaking(VERSION_2), stimulus=True)


@case(
    "rfc9369/5/ticket-of-version-2-in-version-1",
    Level.MUST,
    rows="X-06",
    roles=SERVER,
    flow=V2,
    expects=shows(does_not_resume),
)
async def ticket_of_version_2_in_version_1(tester: Tester) -> None:
    """A server does not accept a session ticket of version 2 in version 1."""
    first = await flows.first_connection(tester)
    await tester.connecting(ticket=first.ticket, configure=speaking(VERSION_1), stimulus=True)


@case(
    "rfc9369/5/own-ticket",
    Level.MUST,
    rows="C-58 X-06",
    roles=CLIENT,
    flow=V2_RESUMPTION,
    expects=shows(offers_ticket_of_the_same_version),
)
async def own_ticket(tester: Tester) -> None:
    """A client offers a session ticket in the version that it was given in, and in no other."""
    await flows.first_connection(tester)
    await tester.connecting(stimulus=True)
