"""RFC 9000, 13.3: retransmission of information, when the path has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.runner.trace.model import Stream
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import FULL
from quicmatrix.testcases.conformance.paths import path_in_use_before, sent_on
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def sends_the_data_again(exchange: Exchange) -> Iterator[Finding]:
    """The STREAM data that went to the old address, on the new path."""
    new = sent_on(exchange, exchange.stimulus.path)
    lost = [
        (packet, frame)
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and packet.path == path_in_use_before(exchange)
        for frame in packet.frames
        if isinstance(frame, Stream)
    ]
    arrived = {
        (frame.stream_id, offset)
        for packet in new
        for frame in packet.frames
        if isinstance(frame, Stream)
        for offset in range(frame.offset, frame.offset + frame.length)
    }
    if not lost:
        yield NotExercised("no STREAM data went to the old address")
    for packet, frame in lost:
        missing = [
            offset
            for offset in range(frame.offset, frame.offset + frame.length)
            if (frame.stream_id, offset) not in arrived
        ]
        if missing and not new:
            yield NotExercised("it does not follow its client to the new address")
            return
        if missing:
            yield Violation(f"it does not send byte {missing[0]} again", packet, exchange.stimulus)
        else:
            yield Held(packet, exchange.stimulus)


@case(
    "rfc9000/13.3/data-in-flight-to-an-old-address",
    Level.MUST,
    rows="B-54",
    roles=SERVER,
    expects=shows(sends_the_data_again),
)
async def data_in_flight_to_an_old_address(tester: Tester) -> None:
    """STREAM data that was lost on the old path is sent again on the new one."""
    peer = await tester.connected()
    old, path = peer.path, tester.new_path()
    peer.rebind(path, old_is_gone=True)
    stream, known = peer.new_stream(), len(peer.arrivals)
    request = f"GET {tester.path_of_file}\r\n".encode()
    await peer.send(frames.stream(stream, request, fin=True), path=old)
    await peer.until(lambda: len(peer.arrivals) > known, "data on the old path")
    await peer.stimulus(frames.ping(), shape=FULL, path=path)
    await peer.until(lambda: stream in peer.ended, "the whole answer")
