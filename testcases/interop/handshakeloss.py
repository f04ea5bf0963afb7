"""handshakeloss: fifty handshakes, while three datagrams in ten are lost."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.handshakes import fifty_handshakes
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

HANDSHAKELOSS = TestCase(
    name="handshakeloss",
    letter="L1",
    summary="All of 50 handshakes complete although 30 % of all datagrams are lost.",
    client="multiconnect",
    server="multiconnect",
    scenario=(
        "drop-rate --delay=15ms --bandwidth=10Mbps --queue=25 "
        "--rate_to_server=30 --rate_to_client=30 --burst_to_server=3 --burst_to_client=3"
    ),
    files=(1 * KIB,) * 50,
    timeout_s=300.0,
    requirements=(fifty_handshakes, server_initials_are_version_1),
)
