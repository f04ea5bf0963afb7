"""goodput: one file over a link that nobody else uses."""

from __future__ import annotations

from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

GOODPUT = TestCase(
    name="goodput",
    letter="G",
    summary="The server sends a large file as fast as the link lets it.",
    client="transfer",
    server="transfer",
    files=(10 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        *CLIENT_IS_DONE,
    ),
    metric=goodput_of(10 * MIB),
    repetitions=5,
)
