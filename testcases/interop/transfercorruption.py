"""transfercorruption: one datagram in fifty is damaged."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.corruption import damaged_datagrams_arrive
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

TRANSFERCORRUPTION = TestCase(
    name="transfercorruption",
    letter="C2",
    summary="A transfer completes although 2 % of all datagrams are damaged.",
    client="transfer",
    server="transfer",
    scenario=(
        "corrupt-rate --delay=15ms --bandwidth=10Mbps --queue=25 "
        "--rate_to_server=2 --rate_to_client=2 --burst_to_server=3 --burst_to_client=3"
    ),
    files=(2 * MIB,),
    requirements=(
        *ENDPOINT_CONTRACT,
        one_handshake,
        server_initials_are_version_1,
        damaged_datagrams_arrive,
    ),
)
