"""transfer: three files at once, larger than the flow-control windows."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.closing import (
    connection_is_closed_with_code_0,
    no_side_closes_with_a_transport_error,
    no_side_closes_with_an_error,
)
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.flow_control import (
    client_raises_its_flow_control_limits,
    server_keeps_to_flow_control,
)
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

TRANSFER = TestCase(
    name="transfer",
    letter="DC",
    summary="Stream data arrives under flow control, and the connection is closed without error.",
    client="transfer",
    server="transfer",
    files=(2 * MIB, 3 * MIB, 5 * MIB),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        server_keeps_to_flow_control,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        client_raises_its_flow_control_limits,
        no_side_closes_with_a_transport_error,
        connection_is_closed_with_code_0,
        *CLIENT_IS_DONE,
    ),
)
