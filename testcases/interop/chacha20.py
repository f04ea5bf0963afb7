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

TLS_1_3_SUITES = frozenset((*range(0x1301, 0x1400), 0x00C6, 0x00C7, 0xC0B4, 0xC0B5))
"""Cipher suites of TLS 1.3 (RFC 8446, B.4; RFC 8998; RFC 9150), with those that are unassigned yet.

The other values of a ClientHello are of TLS 1.2, which QUIC cannot use (RFC 9001, 4.2), signals to
old servers, and GREASE (RFC 8701, 2).
"""


@requirement(Level.TEST, "interop suite", compat=True)
def client_offers_only_chacha20(seen: Observation) -> Iterator[Finding]:
    """The client offers TLS_CHACHA20_POLY1305_SHA256 and no other cipher suite of TLS 1.3."""
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
    return tuple(suite for suite in hello.cipher_suites if suite in TLS_1_3_SUITES)


def _listing(suites: tuple[int, ...]) -> str:
    return ", ".join(f"0x{suite:04x}" for suite in suites) or "no cipher suite of TLS 1.3"


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
