"""ecn: both sides mark their packets, and report the marks that arrive."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.ecn import (
    client_marks_packets,
    client_reports_ecn_counts,
    ecn_counts_agree_with_the_marks,
    no_side_marks_congestion,
    server_marks_packets,
    server_reports_ecn_counts,
)
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.retries import server_sends_no_retry
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

ECN = TestCase(
    name="ecn",
    letter="E",
    summary="Client and server mark their packets as ECN-capable and report the marks they see.",
    client="ecn",
    server="ecn",
    files=(100 * KIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        server_sends_no_retry,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        client_marks_packets,
        server_marks_packets,
        no_side_marks_congestion,
        client_reports_ecn_counts,
        server_reports_ecn_counts,
        ecn_counts_agree_with_the_marks,
        *CLIENT_IS_DONE,
    ),
)
