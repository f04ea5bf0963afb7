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
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.handshakes import one_handshake
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
        *ENDPOINT_CONTRACT,
        one_handshake,
        server_initials_are_version_1,
        server_sends_nothing_over_ipv4,
    ),
)
