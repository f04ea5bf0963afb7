"""RFC 9204, 3.1: the static table, which ends at index 98."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.testcases.conformance.codes import (
    QPACK_DECOMPRESSION_FAILED,
    QPACK_ENCODER_STREAM_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.conformance.qpack_flow import ENTRY_BYTES, dynamic_table
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/3.1/field-line-beyond-static-table",
    Level.MUST,
    rows="H-55",
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def field_line_beyond_static_table(tester: Tester) -> None:
    """A field line with static index 99 is refused with QPACK_DECOMPRESSION_FAILED."""
    peer = await tester.connected()
    lines = qpack.literals(tester.message_fields) + qpack.indexed(qpack.STATIC_ENTRIES)
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, qpack.prefix() + lines),
        fin=tester.is_client,
        rest=Rest.CONTENT,
    )


@case(
    "rfc9204/3.1/instruction-beyond-static-table",
    Level.MUST,
    rows="H-58",
    flow=HTTP3,
    expects=closes(QPACK_ENCODER_STREAM_ERROR),
)
async def instruction_beyond_static_table(tester: Tester) -> None:
    """An instruction with static index 99 is refused with QPACK_ENCODER_STREAM_ERROR."""
    peer = await tester.connected()
    table = await dynamic_table(peer)
    table.send(qpack.set_capacity(2 * ENTRY_BYTES))
    peer.write_stimulus(table.stream, qpack.insert_with_name(qpack.STATIC_ENTRIES, b"value"))
