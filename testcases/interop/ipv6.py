"""ipv6: the server's name has only an IPv6 address."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Address, Packet, Side
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
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.view import never, sent


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_nothing_over_ipv4(seen: Observation) -> Iterator[Finding]:
    """The server sends no QUIC packet over IPv4."""
    packets = sent(seen.trace, Side.SERVER)
    wrong: dict[Address, list[Packet]] = {}
    for packet in packets:
        if not packet.path.server.is_ipv6:
            wrong.setdefault(packet.path.server, []).append(packet)
    yield from never(
        (
            Violation(f"{len(group)} packets are from {address}", group[0])
            for address, group in wrong.items()
        ),
        packets,
    )


IPV6 = TestCase(
    name="ipv6",
    letter="6",
    summary="Client and server complete a transfer over IPv6.",
    client="transfer",
    server="transfer",
    server_name="server6",
    files=(5 * KIB, 10 * KIB),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_sends_nothing_over_ipv4,
        *CLIENT_IS_DONE,
    ),
)
