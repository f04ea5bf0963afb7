"""RFC 9204, 3.2: the dynamic table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import StreamKind
from quicmatrix.runner.trace.model import Stream
from quicmatrix.testcases.conformance import h3
from quicmatrix.testcases.conformance.codes import QPACK_ENCODER_STREAM_ERROR
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import closes, goes_on, shows
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.conformance.qpack_flow import ENTRY, ENTRY_BYTES, dynamic_table
from quicmatrix.testcases.model import Finding, Held, Level, Violation

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


def table_is_not_used(exchange: Exchange) -> Iterator[Finding]:
    """The implementation sends no encoder instruction and refers to no dynamic entry."""
    packets = [one for one in exchange.capture.packets if one.sender is exchange.side]
    streams = {
        frame.stream_id: packet
        for packet in reversed(packets)
        for frame in packet.frames
        if isinstance(frame, Stream)
    }
    for stream_id, packet in streams.items():
        data = h3.stream_bytes(packets, stream_id)
        if stream_id % 4 == 0:
            sections = [payload for kind, payload in h3.frames(data) if kind == h3.HEADERS]
            if any(h3.refers_to_dynamic_table(section) for section in sections):
                yield Violation("a field section refers to the dynamic table", packet)
            elif sections:
                yield Held(packet)
        else:
            kind, instructions = h3.stream_type(data)
            if kind == h3.QPACK_ENCODER and instructions:
                yield Violation("it sends an encoder instruction", packet)


@case(
    "rfc9204/3.2.3/no-dynamic-table-without-capacity",
    Level.MUST,
    rows="H-64",
    flow=HTTP3,
    expects=shows(table_is_not_used),
)
async def no_dynamic_table_without_capacity(tester: Tester) -> None:
    """An encoder whose peer permits no dynamic table sends no instruction and no reference."""
    await tester.connected()
