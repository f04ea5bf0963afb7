"""goodput: one file over a link that nobody else uses."""

from __future__ import annotations

from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

GOODPUT = TestCase(
    name="goodput",
    letter="G",
    summary="The server sends a large file as fast as the link lets it.",
    client="transfer",
    server="transfer",
    files=(10 * MIB,),
    requirements=(*ENDPOINT_CONTRACT, one_handshake, server_initials_are_version_1),
    metric=goodput_of(10 * MIB),
    repetitions=5,
)
