"""RFC 9221, 3: the max_datagram_frame_size transport parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import flows
from quicmatrix.endpoint.tester.parameters import Parameter, replaced
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes, where_announced
from quicmatrix.testcases.conformance.model import CLIENT, ZERO_RTT, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9221/3/smaller-with-0-rtt",
    Level.MAY,
    rows="X-07",
    roles=CLIENT,
    flow=ZERO_RTT,
    expects=where_announced("max_datagram_frame_size", closes(PROTOCOL_VIOLATION)),
)
async def smaller_with_0_rtt(tester: Tester) -> None:
    """A client refuses a max_datagram_frame_size below the one that it has stored for 0-RTT."""
    await flows.first_connection(
        tester, alter_parameters=replaced(Parameter.MAX_DATAGRAM_FRAME_SIZE, 65_535)
    )
    await tester.connecting(
        alter_parameters=replaced(Parameter.MAX_DATAGRAM_FRAME_SIZE, 1200), stimulus=True
    )
