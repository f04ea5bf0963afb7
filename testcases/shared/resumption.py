"""That a second connection resumes the first one's TLS session (RFC 8446, 2.2)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import ClientHello, PacketType, ServerHello, Side, Trace
from quicmatrix.testcases.model import Level, Violation, requirement
from quicmatrix.testcases.shared.handshakes import second_handshake
from quicmatrix.testcases.shared.view import View, arrived, exists, messages, sent


@requirement(Level.TEST, "interop suite")
def client_offers_the_session(trace: Trace) -> Iterator[Violation]:
    """The client's second ClientHello offers a pre-shared key."""
    second = second_handshake(trace)
    if second:
        # In the capture next to the server: which connection it answered is known there.
        hellos = messages(arrived(trace, Side.SERVER, PacketType.INITIAL), ClientHello)
        its = [one for one in hellos if one[0].connection == second.connection]
        yield from exists(
            (hello for _, hello in its if hello.offers_psk),
            Violation(
                "it has no pre_shared_key extension",
                *(packet for packet, _ in its),
                side=Side.CLIENT,
            ),
            hellos,
        )


@requirement(Level.TEST, "interop suite")
def server_selects_the_session(trace: Trace) -> Iterator[Violation]:
    """The server's second ServerHello selects the pre-shared key."""
    second = second_handshake(trace)
    if second:
        initials = sent(trace, Side.SERVER, PacketType.INITIAL)
        hellos = messages(
            View(tuple(packet for packet in initials if packet in second), initials.gap),
            ServerHello,
        )
        yield from exists(
            (hello for _, hello in hellos if hello.selects_psk),
            Violation(
                "it has no pre_shared_key extension",
                *(packet for packet, _ in hellos),
                side=Side.SERVER,
            ),
            hellos,
        )
