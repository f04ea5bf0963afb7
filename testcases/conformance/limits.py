"""Whether an endpoint keeps to what its peer allows (RFC 9000, 4). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    MaxData,
    MaxStreamData,
    Packet,
    ResetStream,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import where
from quicmatrix.testcases.conformance.model import Expectation
from quicmatrix.testcases.model import Finding, Held, Violation


def parameters_of(packet: Packet) -> TransportParameters | None:
    """The transport parameters that end in a packet."""
    for message in packet.tls:
        if isinstance(message, ClientHello | EncryptedExtensions):
            return message.transport_parameters
    return None


def stays_within_data_limits(exchange: Exchange) -> Iterator[Finding]:
    """No STREAM frame goes beyond the limit of its stream, nor all of them beyond that of all."""
    allowed = _Allowed(exchange.side)
    sizes: dict[int, int] = {}
    for packet in exchange.capture.packets:
        if packet.sender is exchange.tester:
            allowed.learn(packet)
            continue
        for frame in packet.frames:
            if not isinstance(frame, Stream):
                continue
            end = frame.offset + frame.length
            sizes[frame.stream_id] = max(sizes.get(frame.stream_id, 0), end)
            if end > (limit := allowed.on_stream(frame.stream_id)):
                words = f"stream {frame.stream_id} has {end} bytes, but {limit} are allowed"
                yield Violation(words, packet)
            elif (total := sum(sizes.values())) > allowed.data:
                words = f"all streams have {total} bytes, but {allowed.data} are allowed"
                yield Violation(words, packet)
            else:
                yield Held(packet)


def where_exceeded(expected: Expectation) -> Expectation:
    """What is expected if the stimulus exceeds a limit, which may have been raised meanwhile."""
    return where(exceeds_data_limits, "the limit was raised meanwhile", expected)


def exceeds_data_limits(exchange: Exchange) -> bool:
    """Whether the tester has exceeded a limit of data when the stimulus arrives."""
    allowed = _Allowed(exchange.tester)
    sizes: dict[int, int] = {}
    for packet in exchange.capture.packets:
        if packet.datagram.frame_number > exchange.stimulus.frame_number:
            break
        if packet.sender is exchange.side:
            allowed.learn(packet)
            continue
        for frame in packet.frames:
            match frame:
                case Stream():
                    end = frame.offset + frame.length
                case ResetStream():
                    end = frame.final_size
                case _:
                    continue
            sizes[frame.stream_id] = max(sizes.get(frame.stream_id, 0), end)
    return sum(sizes.values()) > allowed.data or any(
        size > allowed.on_stream(stream) for stream, size in sizes.items()
    )


class _Allowed:
    """What a side may send, as far as its peer has told it."""

    def __init__(self, side: Side) -> None:
        self.data = 0
        self._is_client = side is Side.CLIENT
        self._initial = TransportParameters()
        self._streams: dict[int, int] = {}

    def learn(self, packet: Packet) -> None:
        """Take note of what a packet of the peer's allows."""
        if (initial := parameters_of(packet)) is not None:
            self._initial = initial
            self.data = max(self.data, initial.initial_max_data or 0)
        for frame in packet.frames:
            match frame:
                case MaxData():
                    self.data = max(self.data, frame.maximum)
                case MaxStreamData():
                    limit = max(self.on_stream(frame.stream_id), frame.maximum)
                    self._streams[frame.stream_id] = limit

    def on_stream(self, stream_id: int) -> int:
        """The limit of a stream."""
        is_own = (stream_id % 2 == 0) is self._is_client
        if stream_id & 2:
            initial = self._initial.initial_max_stream_data_uni
        elif is_own:
            initial = self._initial.initial_max_stream_data_bidi_remote
        else:
            initial = self._initial.initial_max_stream_data_bidi_local
        return self._streams.get(stream_id, initial or 0)
