"""crosstraffic: one file over a link that a TCP flow fills too."""

from __future__ import annotations

from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

CROSSTRAFFIC = TestCase(
    name="crosstraffic",
    letter="C",
    summary="The server sends a large file while a TCP flow (CUBIC) competes for the link.",
    client="transfer",
    server="transfer",
    files=(25 * MIB,),
    scenario="tcp-cross-traffic --delay=15ms --bandwidth=10Mbps --queue=25",
    timeout_s=180.0,
    requirements=(one_handshake, server_initials_are_version_1),
    figure=goodput_of(25 * MIB),
    repetitions=5,
)
