"""That a second connection resumes the first one's TLS session (RFC 8446, 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from quicmatrix.runner.trace.model import (
    ClientHello,
    NewSessionTicket,
    PacketType,
    ServerHello,
    Side,
)
from quicmatrix.testcases.model import Finding, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.handshakes import second_handshake
from quicmatrix.testcases.views.view import arrived, exists, messages, sent


@requirement(Level.TEST, "RFC 8446, 4.6.1")
def server_sends_a_session_ticket(seen: Observation) -> Iterator[Finding]:
    """The server sends a NewSessionTicket, without which no session can be resumed."""
    yield from _tickets(seen, "it sends no NewSessionTicket", lambda _: True, _offers_psk)


@requirement(Level.TEST, "RFC 8446, 4.2.10")
def server_enables_early_data(seen: Observation) -> Iterator[Finding]:
    """The server sends a NewSessionTicket with early_data, without which there is no 0-RTT."""
    yield from _tickets(
        seen,
        "it sends no NewSessionTicket with the early_data extension",
        lambda ticket: bool(ticket.max_early_data_size),
        lambda hello: hello.offers_early_data,
    )


@requirement(Level.TEST, "interop suite")
def client_offers_the_session(seen: Observation) -> Iterator[Finding]:
    """The client's second ClientHello offers a pre-shared key."""
    second = second_handshake(seen.trace)
    if second:
        # In the capture next to the server: which connection it answered is known there.
        hellos = messages(arrived(seen.trace, Side.SERVER, PacketType.INITIAL), ClientHello)
        its = [one for one in hellos if one[0].connection == second.connection]
        yield from exists(
            (packet for packet, hello in its if hello.offers_psk),
            Violation(
                "it has no pre_shared_key extension",
                *(packet for packet, _ in its),
                side=Side.CLIENT,
            ),
            hellos,
        )


@requirement(Level.TEST, "interop suite")
def server_selects_the_session(seen: Observation) -> Iterator[Finding]:
    """The server's second ServerHello selects the pre-shared key."""
    second = second_handshake(seen.trace)
    if second:
        initials = sent(seen.trace, Side.SERVER, PacketType.INITIAL)
        hellos = messages(initials.where(lambda packet: packet in second), ServerHello)
        yield from exists(
            (packet for packet, hello in hellos if hello.selects_psk),
            Violation(
                "it has no pre_shared_key extension",
                *(packet for packet, _ in hellos),
                side=Side.SERVER,
            ),
            hellos,
        )


def _tickets(
    seen: Observation,
    otherwise: str,
    suffices: Callable[[NewSessionTicket], bool],
    uses: Callable[[ClientHello], bool],
) -> Iterator[Finding]:
    """Require a ticket that the client can use, or a ClientHello that uses one."""
    packets = sent(seen.trace, Side.SERVER, PacketType.ONE_RTT)
    tickets = messages(packets, NewSessionTicket)
    hellos = messages(arrived(seen.trace, Side.SERVER, PacketType.INITIAL), ClientHello)
    yield from exists(
        (
            *(packet for packet, ticket in tickets if suffices(ticket)),
            *(packet for packet, hello in hellos if uses(hello)),
        ),
        Violation(
            otherwise,
            *[packet for packet, _ in tickets][:1] or packets.items[-1:],
            side=Side.SERVER,
        ),
        tickets,
    )


def _offers_psk(hello: ClientHello) -> bool:
    return hello.offers_psk
