"""That a second connection resumes the first one's TLS session (RFC 8446, 2.2)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import ClientHello, PacketType, ServerHello, Side
from quicmatrix.testcases.model import Finding, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.handshakes import second_handshake
from quicmatrix.testcases.views.view import arrived, exists, messages, sent


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
