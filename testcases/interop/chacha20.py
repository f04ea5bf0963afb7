"""chacha20: packets are protected with ChaCha20-Poly1305."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import ClientHello, PacketType, ServerHello, Side
from quicmatrix.testcases.model import (
    MIB,
    Finding,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.view import exists, messages, never, sent

CHACHA20_SUITE = 0x1303
"""TLS_CHACHA20_POLY1305_SHA256 (RFC 8446, B.4)."""

SIGNALS = frozenset((0x00FF, 0x5600))
"""Values that name no cipher suite, but signal to old servers (RFC 5746, 3.3; RFC 7507, 3)."""


@requirement(Level.TEST, "interop suite", compat=True)
def client_offers_only_chacha20(seen: Observation) -> Iterator[Finding]:
    """The client offers TLS_CHACHA20_POLY1305_SHA256 and no other cipher suite."""
    hellos = messages(sent(seen.trace, Side.CLIENT, PacketType.INITIAL), ClientHello)
    yield from exists(hellos, Violation("there is no ClientHello", side=Side.CLIENT), hellos)
    yield from never(
        Violation(f"the client offers {_listing(suites)}", packet)
        for packet, hello in hellos
        if (suites := _offered(hello)) != (CHACHA20_SUITE,)
    )


@requirement(Level.TEST, "interop suite")
def server_selects_chacha20(seen: Observation) -> Iterator[Finding]:
    """The server selects TLS_CHACHA20_POLY1305_SHA256."""
    hellos = messages(sent(seen.trace, Side.SERVER, PacketType.INITIAL), ServerHello)
    yield from exists(hellos, Violation("there is no ServerHello", side=Side.SERVER), hellos)
    yield from never(
        Violation(f"the server selects 0x{hello.cipher_suite:04x}", packet)
        for packet, hello in hellos
        if hello.cipher_suite != CHACHA20_SUITE
    )


def _offered(hello: ClientHello) -> tuple[int, ...]:
    """The cipher suites, without signals and GREASE (RFC 8701, 2)."""
    return tuple(
        suite
        for suite in hello.cipher_suites
        if suite not in SIGNALS and not (suite & 0x0F0F == 0x0A0A and suite >> 8 == suite & 0xFF)
    )


def _listing(suites: tuple[int, ...]) -> str:
    return ", ".join(f"0x{suite:04x}" for suite in suites) or "no cipher suite"


CHACHA20 = TestCase(
    name="chacha20",
    letter="C20",
    summary="Client and server agree on ChaCha20-Poly1305, the only cipher suite on offer.",
    client="chacha20",
    server="chacha20",
    files=(3 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        client_offers_only_chacha20,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_selects_chacha20,
        *CLIENT_IS_DONE,
    ),
)
