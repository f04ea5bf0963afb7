"""handshakecorruption: fifty handshakes, while three datagrams in ten are damaged."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.corruption import damaged_datagrams_arrive
from quicmatrix.testcases.shared.handshakes import fifty_handshakes
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

HANDSHAKECORRUPTION = TestCase(
    name="handshakecorruption",
    letter="C1",
    summary="All of 50 handshakes complete although 30 % of all datagrams are damaged.",
    client="multiconnect",
    server="multiconnect",
    scenario=(
        "corrupt-rate --delay=15ms --bandwidth=10Mbps --queue=25 "
        "--rate_to_server=30 --rate_to_client=30 --burst_to_server=3 --burst_to_client=3"
    ),
    files=(1 * KIB,) * 50,
    timeout_s=300.0,
    requirements=(
        *ENDPOINT_CONTRACT,
        fifty_handshakes,
        server_initials_are_version_1,
        damaged_datagrams_arrive,
    ),
)
