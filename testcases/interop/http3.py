"""http3: three files over HTTP/3."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import ClientHello, EncryptedExtensions, PacketType, Side
from quicmatrix.testcases.model import (
    KIB,
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
from quicmatrix.testcases.shared.http3 import each_side_opens_a_control_stream
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.view import exists, messages, never, sent


@requirement(Level.TEST, "RFC 9114, 3.2")
def client_offers_h3(seen: Observation) -> Iterator[Finding]:
    """The client offers the ALPN token h3."""
    hellos = messages(sent(seen.trace, Side.CLIENT, PacketType.INITIAL), ClientHello)
    yield from exists(
        (packet for packet, hello in hellos if "h3" in hello.alpn),
        Violation(
            f"the client offers {', '.join(hellos.items[0][1].alpn) or 'nothing'}"
            if hellos
            else "there is no ClientHello",
            *(packet for packet, _ in hellos),
            side=Side.CLIENT,
        ),
        hellos,
    )


@requirement(Level.TEST, "RFC 9114, 3.2")
def server_selects_h3(seen: Observation) -> Iterator[Finding]:
    """The server selects the ALPN token h3."""
    extensions = messages(sent(seen.trace, Side.SERVER, PacketType.HANDSHAKE), EncryptedExtensions)
    yield from exists(
        extensions,
        Violation("there is no EncryptedExtensions message", side=Side.SERVER),
        extensions,
    )
    yield from never(
        Violation(f"the server selects {message.alpn or 'nothing'}", packet)
        for packet, message in extensions
        if message.alpn != "h3"
    )


HTTP3 = TestCase(
    name="http3",
    letter="3",
    summary="Client and server agree on HTTP/3 and complete three requests.",
    client="http3",
    server="http3",
    files=(5 * KIB, 10 * KIB, 500 * KIB),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        client_offers_h3,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_selects_h3,
        each_side_opens_a_control_stream,
        *CLIENT_IS_DONE,
    ),
)
