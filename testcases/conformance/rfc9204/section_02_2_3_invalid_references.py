"""RFC 9204, 2.2.3: references to what is not in the dynamic table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import H3Frame, StreamKind
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.testcases.conformance.codes import (
    QPACK_DECOMPRESSION_FAILED,
    QPACK_ENCODER_STREAM_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.conformance.qpack_flow import ENTRY, ENTRY_BYTES, dynamic_table
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/2.2.3/reference-without-required-insert-count",
    Level.MUST,
    rows="H-56",
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def reference_without_required_insert_count(tester: Tester) -> None:
    """A reference beyond the Required Insert Count is refused with QPACK_DECOMPRESSION_FAILED."""
    peer = await tester.connected()
    fields = qpack.literals(tester.message_fields) + qpack.indexed(0, static=False)
    # With a Base of 1, so that the reference is to entry 0.
    section = qpack.prefix(0, 1) + fields
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, section), fin=tester.is_client, rest=Rest.CONTENT
    )


@case(
    "rfc9204/2.2.3/reference-to-an-evicted-entry",
    Level.MUST,
    rows="H-56",
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def reference_to_an_evicted_entry(tester: Tester) -> None:
    """A field line that refers to an evicted entry is refused with QPACK_DECOMPRESSION_FAILED."""
    peer = await tester.connected()
    table = await dynamic_table(peer)
    # Room for one entry: the second one evicts the first.
    table.send(qpack.set_capacity(ENTRY_BYTES), qpack.insert(*ENTRY), qpack.insert(*ENTRY))
    await peer.received_by_peer(table.stream)
    prefix = qpack.prefix(table.encoded_count(2))
    fields = qpack.literals(tester.message_fields) + qpack.indexed(1, static=False)
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, prefix + fields), fin=tester.is_client, rest=Rest.CONTENT
    )


@case(
    "rfc9204/2.2.3/instruction-refers-to-an-evicted-entry",
    Level.MUST,
    rows="H-58",
    flow=HTTP3,
    expects=closes(QPACK_ENCODER_STREAM_ERROR),
)
async def instruction_refers_to_an_evicted_entry(tester: Tester) -> None:
    """An instruction that refers to an evicted entry is refused with QPACK_ENCODER_STREAM_ERROR."""
    peer = await tester.connected()
    table = await dynamic_table(peer)
    table.send(qpack.set_capacity(ENTRY_BYTES), qpack.insert(*ENTRY), qpack.insert(*ENTRY))
    peer.write_stimulus(table.stream, qpack.duplicate(1))


@case(
    "rfc9204/2.2.3/instruction-without-dynamic-table",
    Level.MUST,
    rows="H-58",
    flow=HTTP3,
    expects=closes(QPACK_ENCODER_STREAM_ERROR),
)
async def instruction_without_dynamic_table(tester: Tester) -> None:
    """An instruction that refers to an entry never inserted is refused on the encoder stream."""
    peer = await tester.connected()
    peer.open_stimulus(http3.stream(StreamKind.QPACK_ENCODER, qpack.duplicate(0)))
