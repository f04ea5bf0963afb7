"""handshake: a connection is established, and a small file fetched."""

from __future__ import annotations

from quicmatrix.testcases.model import KIB, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.retries import server_sends_no_retry
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

HANDSHAKE = TestCase(
    name="handshake",
    letter="H",
    summary="Client and server complete a handshake without a Retry.",
    client="handshake",
    server="handshake",
    files=(1 * KIB,),
    requirements=(
        *ENDPOINT_CONTRACT,
        one_handshake,
        server_initials_are_version_1,
        server_sends_no_retry,
    ),
)
