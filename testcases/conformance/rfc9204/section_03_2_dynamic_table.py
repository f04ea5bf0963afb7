"""RFC 9204, 3.2: the dynamic table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import StreamKind
from quicmatrix.testcases.conformance.codes import QPACK_ENCODER_STREAM_ERROR
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.conformance.qpack_flow import ENTRY, ENTRY_BYTES, dynamic_table
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/3.2/duplicate-entries",
    Level.MUST,
    rows="H-65",
    flow=HTTP3,
    expects=goes_on(),
)
async def duplicate_entries(tester: Tester) -> None:
    """An entry that is in the dynamic table twice is no error."""
    peer = await tester.connected()
    table = await dynamic_table(peer)
    table.send(qpack.set_capacity(2 * ENTRY_BYTES), qpack.insert(*ENTRY))
    peer.write_stimulus(table.stream, qpack.insert(*ENTRY) + qpack.duplicate(0))


@case(
    "rfc9204/3.2.2/entry-larger-than-the-table",
    Level.MUST,
    flow=HTTP3,
    expects=closes(QPACK_ENCODER_STREAM_ERROR),
)
async def entry_larger_than_the_table(tester: Tester) -> None:
    """An entry for which the dynamic table has no room is refused on the encoder stream."""
    peer = await tester.connected()
    peer.open_stimulus(http3.stream(StreamKind.QPACK_ENCODER, qpack.insert(*ENTRY)))
