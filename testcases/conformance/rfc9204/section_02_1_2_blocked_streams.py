"""RFC 9204, 2.1.2: streams that wait for entries of the dynamic table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import H3Frame, Setting
from quicmatrix.testcases.conformance.codes import QPACK_DECOMPRESSION_FAILED
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, SERVER, case
from quicmatrix.testcases.conformance.qpack_flow import dynamic_table
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/2.1.2/too-many-blocked-streams",
    Level.MUST,
    rows="H-62",
    roles=SERVER,  # a client that asks for one file receives one field section
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def too_many_blocked_streams(tester: Tester) -> None:
    """More blocked streams than announced are refused with QPACK_DECOMPRESSION_FAILED."""
    peer = await tester.connected()
    table = await dynamic_table(peer)
    permitted = await peer.setting(Setting.QPACK_BLOCKED_STREAMS)
    peer.needs_messages(permitted + 1)
    section = qpack.prefix(table.encoded_count(1)) + qpack.indexed(0, static=False)
    blocked = http3.frame(H3Frame.HEADERS, section)
    for _ in range(permitted):
        peer.write(peer.new_stream(), blocked)
    peer.message_stimulus(blocked)
