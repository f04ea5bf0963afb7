"""Streams: what ends them, and how HTTP/3 uses them (RFC 9000, 3.3; RFC 9114, 4.1)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    EncryptedExtensions,
    Packet,
    PacketType,
    ResetStream,
    Side,
    Stream,
)
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.shared.http3 import each_side_opens_a_control_stream
from quicmatrix.testcases.views.view import complete, messages, readable, sent


@requirement(Level.MUST, "RFC 9000, 3.3")
def reset_streams_are_silent(seen: Observation) -> Iterator[Finding]:
    """After RESET_STREAM no STREAM frame is sent on the stream."""
    for side in Side:
        reset: dict[tuple[int | None, int], Packet] = {}
        for packet, frame in _stream_frames(seen, side):
            stream = packet.connection, frame.stream_id
            if isinstance(frame, ResetStream):
                reset.setdefault(stream, packet)
                yield Held(packet)
            elif stream in reset and reset[stream] is not packet:
                yield Violation(f"it has data of stream {frame.stream_id}", packet, reset[stream])


@requirement(Level.MUST, "RFC 9000, 4.5")
def final_sizes_do_not_change(seen: Observation) -> Iterator[Finding]:
    """The final size of a stream does not change, and no data is sent beyond it."""
    for side in Side:
        final: dict[tuple[int | None, int], tuple[int, Packet]] = {}
        ends: dict[tuple[int | None, int], int] = {}
        for packet, frame in _stream_frames(seen, side):
            stream = packet.connection, frame.stream_id
            is_data = isinstance(frame, Stream)
            end = frame.offset + frame.length if isinstance(frame, Stream) else frame.final_size
            ends[stream] = max(ends.get(stream, 0), end)
            if not is_data or (isinstance(frame, Stream) and frame.fin):
                size, first = final.setdefault(stream, (end, packet))
                if end == size:
                    yield Held(packet)
                else:
                    yield Violation(f"it was {size}, and is {end} now", packet, first)
            if stream in final and ends[stream] > final[stream][0]:
                size, first = final[stream]
                yield Violation(f"data up to {end} on a stream of {size} bytes", packet, first)


@requirement(Level.MUST, "RFC 9114, 6.2.1")
def http3_begins_with_a_control_stream(seen: Observation) -> Iterator[Finding]:
    """In HTTP/3 each side opens one control stream, and SETTINGS is the first frame on it."""
    hellos = messages(sent(seen.trace, Side.SERVER), EncryptedExtensions)
    if any(message.alpn == "h3" for _, message in hellos):
        yield from each_side_opens_a_control_stream(seen)


def _stream_frames(seen: Observation, side: Side) -> Iterator[tuple[Packet, Stream | ResetStream]]:
    packets = readable(sent(seen.trace, side, PacketType.ZERO_RTT, PacketType.ONE_RTT))
    for packet in packets:
        for frame in packet.frames:
            if isinstance(frame, Stream | ResetStream):
                yield packet, frame
    complete(packets)
