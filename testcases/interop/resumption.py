"""resumption: a second connection resumes the session of the first."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    CERTIFICATE,
    OtherTlsMessage,
    Packet,
    PacketType,
    Side,
    Trace,
)
from quicmatrix.testcases.model import KIB, Level, TestCase, Violation, requirement
from quicmatrix.testcases.shared.handshakes import (
    Handshake,
    handshakes,
    second_handshake,
    two_handshakes,
)
from quicmatrix.testcases.shared.resumption import (
    client_offers_the_session,
    server_selects_the_session,
)
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.shared.view import View, complete, exists, messages, never, sent

COMPRESSED_CERTIFICATE = 25
"""The handshake type of CompressedCertificate, which may stand for it (RFC 8879, 4)."""


@requirement(Level.TEST, "interop suite", compat=True)
def first_handshake_has_a_certificate(trace: Trace) -> Iterator[Violation]:
    """The server sends a Certificate in the first handshake."""
    seen = handshakes(trace)
    if not seen:
        complete(seen)
        return
    certificates = _certificates(trace, seen.items[0])
    yield from exists(
        certificates,
        Violation("the first handshake has no Certificate", seen.items[0].first, side=Side.SERVER),
        certificates,
    )


@requirement(Level.TEST, "interop suite", compat=True)
def second_handshake_has_no_certificate(trace: Trace) -> Iterator[Violation]:
    """The server sends no Certificate in the second handshake."""
    second = second_handshake(trace)
    if second:
        certificates = _certificates(trace, second)
        yield from never(
            (
                Violation("the second handshake has a Certificate", packet)
                for packet, _ in certificates
            ),
            certificates,
        )


def _certificates(trace: Trace, handshake: Handshake) -> View[tuple[Packet, OtherTlsMessage]]:
    packets = sent(trace, Side.SERVER, PacketType.HANDSHAKE)
    its = View(tuple(packet for packet in packets if packet in handshake), packets.gap)
    found = messages(its, OtherTlsMessage)
    kinds = (CERTIFICATE, COMPRESSED_CERTIFICATE)
    return View(tuple(one for one in found if one[1].handshake_type in kinds), found.gap)


RESUMPTION = TestCase(
    name="resumption",
    letter="R",
    summary="The client resumes its first connection's session on a second one.",
    client="resumption",
    server="resumption",
    files=(5 * KIB, 10 * KIB),
    requirements=(
        two_handshakes,
        server_initials_are_version_1,
        first_handshake_has_a_certificate,
        second_handshake_has_no_certificate,
        client_offers_the_session,
        server_selects_the_session,
    ),
)
