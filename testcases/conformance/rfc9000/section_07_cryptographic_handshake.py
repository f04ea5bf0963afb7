"""RFC 9000, 7: the cryptographic and transport handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.parameters import Parameter, without
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/7.3/no-initial-source-connection-id",
    Level.MUST,
    rows="P-01 C-20",
    expects=closes(TRANSPORT_PARAMETER_ERROR, PROTOCOL_VIOLATION),
)
async def no_initial_source_connection_id(tester: Tester) -> None:
    """A peer without initial_source_connection_id is refused with TRANSPORT_PARAMETER_ERROR."""
    await tester.connecting(
        alter_parameters=without(Parameter.INITIAL_SOURCE_CONNECTION_ID), stimulus=True
    )
