"""RFC 9204, 4.5: the prefix of field sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import H3Frame, Setting
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.testcases.conformance.codes import QPACK_DECOMPRESSION_FAILED
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/4.5.1.1/impossible-required-insert-count",
    Level.MUST,
    rows="H-56",
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def impossible_required_insert_count(tester: Tester) -> None:
    """A Required Insert Count beyond twice the entries of a full table is refused."""
    peer = await tester.connected()
    capacity = await peer.setting(Setting.QPACK_MAX_TABLE_CAPACITY)
    too_large = 2 * (capacity // qpack.ENTRY_OVERHEAD) + 1
    section = qpack.prefix(too_large) + qpack.literals(tester.message_fields)
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, section), fin=tester.is_client, rest=Rest.CONTENT
    )


@case(
    "rfc9204/4.5.1.2/negative-base",
    Level.MUST,
    rows="H-61",
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def negative_base(tester: Tester) -> None:
    """A field section with a negative Base is refused with QPACK_DECOMPRESSION_FAILED."""
    peer = await tester.connected()
    section = qpack.prefix(0, 0, negative=True) + qpack.literals(tester.message_fields)
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, section), fin=tester.is_client, rest=Rest.CONTENT
    )
