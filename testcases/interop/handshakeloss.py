"""handshakeloss: fifty handshakes, while three datagrams in ten are lost."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import fifty_handshakes
from quicmatrix.testcases.shared.loss import (
    datagrams_of_the_client_are_lost,
    datagrams_of_the_server_are_lost,
)
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
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
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        fifty_handshakes,
        datagrams_of_the_client_are_lost,
        datagrams_of_the_server_are_lost,
        *CLIENT_IS_DONE,
    ),
)
