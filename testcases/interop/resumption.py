"""resumption: a second connection resumes the session of the first."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    CERTIFICATE,
    ClientHello,
    OtherTlsMessage,
    Packet,
    PacketType,
    Side,
    Trace,
)
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
from quicmatrix.testcases.shared.handshakes import two_handshakes
from quicmatrix.testcases.shared.resumption import (
    client_offers_the_session,
    server_selects_the_session,
    server_sends_a_session_ticket,
)
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.handshakes import Handshake, handshakes, second_handshake
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    complete,
    exists,
    messages,
    never,
    readable,
    sent,
)

COMPRESSED_CERTIFICATE = 25
"""The handshake type of CompressedCertificate, which may stand for it (RFC 8879, 4)."""


@requirement(Level.TEST, "interop suite", compat=True)
def first_handshake_has_a_certificate(seen: Observation) -> Iterator[Finding]:
    """The server sends a Certificate in the first handshake."""
    found = handshakes(seen.trace)
    if not found:
        complete(found)
    for first in found.items[:1]:
        certificates = _certificates(seen.trace, first)
        yield from exists(
            certificates,
            Violation("the first handshake has no Certificate", first.first, side=Side.SERVER),
            certificates,
        )


@requirement(Level.TEST, "interop suite", compat=True)
def second_handshake_has_no_certificate(seen: Observation) -> Iterator[Finding]:
    """The server sends no Certificate in the second handshake."""
    second = second_handshake(seen.trace)
    if second:
        hellos = messages(arrived(seen.trace, Side.SERVER, PacketType.INITIAL), ClientHello)
        its = [one for one in hellos if one[0].connection == second.first.connection]
        unasked = [packet for packet, hello in its if not hello.offers_psk]
        yield from never(
            (
                Violation(
                    "the second handshake has a Certificate, for it offers no pre-shared key",
                    unasked[0],
                    packet,
                )
                if unasked
                else Violation("the second handshake has a Certificate", packet)
                for packet, _ in _certificates(seen.trace, second)
            ),
            readable(_handshake_packets(seen.trace, second)),
        )


def _certificates(trace: Trace, handshake: Handshake) -> View[tuple[Packet, OtherTlsMessage]]:
    found = messages(_handshake_packets(trace, handshake), OtherTlsMessage)
    kinds = (CERTIFICATE, COMPRESSED_CERTIFICATE)
    return found.where(lambda one: one[1].handshake_type in kinds)


def _handshake_packets(trace: Trace, handshake: Handshake) -> View[Packet]:
    packets = sent(trace, Side.SERVER, PacketType.HANDSHAKE)
    return packets.where(lambda packet: packet in handshake)


RESUMPTION = TestCase(
    name="resumption",
    letter="R",
    summary="The client resumes its first connection's session on a second one.",
    client="resumption",
    server="resumption",
    files=(5 * KIB, 10 * KIB),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_sends_a_session_ticket,
        two_handshakes,
        client_offers_the_session,
        server_selects_the_session,
        first_handshake_has_a_certificate,
        second_handshake_has_no_certificate,
        *CLIENT_IS_DONE,
    ),
)
