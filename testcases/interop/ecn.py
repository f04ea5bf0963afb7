"""ecn: both sides mark their packets, and report the marks that arrive."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
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
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

ECN = TestCase(
    name="ecn",
    letter="E",
    summary="Client and server mark their packets as ECN-capable and report the marks they see.",
    client="ecn",
    server="ecn",
    files=(100 * KIB,),
    requirements=(
        *ENDPOINT_CONTRACT,
        one_handshake,
        server_initials_are_version_1,
        server_sends_no_retry,
        client_marks_packets,
        server_marks_packets,
        no_side_marks_congestion,
        client_reports_ecn_counts,
        server_reports_ecn_counts,
        ecn_counts_agree_with_the_marks,
    ),
)
