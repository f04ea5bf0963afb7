"""handshake: a connection is established, and a small file fetched."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.retries import server_sends_no_retry
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

HANDSHAKE = TestCase(
    name="handshake",
    letter="H",
    summary="Client and server complete a handshake without a Retry.",
    client="handshake",
    server="handshake",
    files=(1 * KIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        server_sends_no_retry,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        *CLIENT_IS_DONE,
    ),
)
