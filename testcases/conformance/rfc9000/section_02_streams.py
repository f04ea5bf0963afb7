"""RFC 9000, 2.2: the data of streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.runner.trace.model import Side, Stream
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import client_is_done, closes, shows
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester


def takes_whole_stream(exchange: Exchange) -> Iterator[Finding]:
    """A server answers the request; a client that has its file is done."""
    if exchange.side is Side.CLIENT:
        yield from client_is_done(exchange)
        return
    streams = {
        frame.stream_id
        for packet in exchange.stimulus_packets
        for frame in packet.frames
        if isinstance(frame, Stream)
    }
    for stream in sorted(streams):
        # HTTP/0.9 lets a server answer before the request's stream ends.
        answer = exchange.end_of_stream(stream)
        if answer is not None:
            yield Held(answer, exchange.stimulus)
        else:
            words = f"the request on stream {stream} is not answered"
            yield Violation(words, exchange.stimulus, side=exchange.side)


async def _begin(tester: Tester) -> tuple[Peer, int, bytes]:
    """A connection, a stream on which nothing was sent, and what is to be sent on it."""
    peer = await tester.connected()
    if peer.is_client:
        return peer, peer.new_stream(), f"GET {tester.path_of_file}\r\n".encode()
    stream, path = next(iter(peer.requests.items()), (0, ""))
    peer.answered.add(stream)
    tester.waits_for_end = True
    return peer, stream, tester.file(path)


async def _end(peer: Peer, stream: int) -> None:
    """Wait for what the whole stream leads to."""
    await peer.until(lambda: peer.is_over or stream in peer.ended, "the end of the exchange")


@case(
    "rfc9000/2.2/out-of-order",
    Level.MUST,
    rows="F-56 C-41",
    expects=shows(takes_whole_stream),
)
async def out_of_order(tester: Tester) -> None:
    """STREAM frames that overlap, come twice and out of order are delivered once and in order."""
    peer, stream, data = await _begin(tester)
    middle = len(data) // 2
    await peer.stimulus(frames.stream(stream, data[middle:], middle, fin=True))
    await peer.stimulus(frames.stream(stream, data[middle - 2 :], middle - 2, fin=True))
    await peer.stimulus(frames.stream(stream, data[1 : middle + 3], 1))
    await peer.stimulus(frames.stream(stream, data[: middle - 1]))
    if peer.is_client:
        await _end(peer, stream)


@case(
    "rfc9000/2.2/end-of-known-data",
    Level.MUST,
    rows="B-57",
    expects=shows(takes_whole_stream),
)
async def end_of_known_data(tester: Tester) -> None:
    """Data that came without the end of its stream, and comes again with it, ends the stream."""
    peer, stream, data = await _begin(tester)
    await peer.acknowledged(await peer.send(frames.stream(stream, data)))
    await peer.settled()
    last = len(data) - 2
    await peer.stimulus(frames.stream(stream, data[last:], last, fin=True))
    if peer.is_client:
        await _end(peer, stream)


@case(
    "rfc9000/2.2/other-data-at-same-offset",
    Level.MAY,
    rows="F-57 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def other_data_at_same_offset(tester: Tester) -> None:
    """Other data at an offset that was received already can close the connection."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    await peer.acknowledged(await peer.send(frames.stream(stream, b"5678", 4)))
    await peer.stimulus(frames.stream(stream, b"abcd", 4))
