"""transferloss: one datagram in fifty is lost."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.loss import datagrams_of_the_server_are_lost
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

TRANSFERLOSS = TestCase(
    name="transferloss",
    letter="L2",
    summary="A transfer completes although 2 % of all datagrams are lost.",
    client="transfer",
    server="transfer",
    scenario=(
        "drop-rate --delay=15ms --bandwidth=10Mbps --queue=25 "
        "--rate_to_server=2 --rate_to_client=2 --burst_to_server=3 --burst_to_client=3"
    ),
    files=(2 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        datagrams_of_the_server_are_lost,
        *CLIENT_IS_DONE,
    ),
)
