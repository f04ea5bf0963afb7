"""handshakecorruption: fifty handshakes, while three datagrams in ten are damaged."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.corruption import damaged_datagrams_arrive
from quicmatrix.testcases.shared.handshakes import fifty_handshakes
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
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
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        fifty_handshakes,
        damaged_datagrams_arrive,
        *CLIENT_IS_DONE,
    ),
)
