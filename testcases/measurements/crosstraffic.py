"""crosstraffic: one file over a link that a TCP flow fills too."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import (
    MIB,
    Finding,
    Held,
    Level,
    NotExercised,
    Observation,
    TestCase,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1


@requirement(Level.TEST, "interop suite")
def tcp_flow_shares_the_link(seen: Observation) -> Iterator[Finding]:
    """A TCP flow gets data through the link beside the QUIC connection."""
    flow = seen.record.link.cross_traffic
    if flow is None:
        yield NotExercised("there is no TCP flow")
    elif not flow.received_bytes:
        yield NotExercised("no byte of the TCP flow arrives")
    else:
        yield Held(message=f"{flow.received_bytes} bytes arrive")


CROSSTRAFFIC = TestCase(
    name="crosstraffic",
    letter="C",
    summary="The server sends a large file while a TCP flow (CUBIC) competes for the link.",
    client="transfer",
    server="transfer",
    files=(25 * MIB,),
    scenario="tcp-cross-traffic --delay=15ms --bandwidth=10Mbps --queue=25",
    timeout_s=180.0,
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        tcp_flow_shares_the_link,
        *CLIENT_IS_DONE,
    ),
    metric=goodput_of(25 * MIB),
    repetitions=5,
)
