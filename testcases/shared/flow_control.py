"""Flow control and stream limits (RFC 9000, 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    MaxData,
    MaxStreamData,
    MaxStreams,
    Packet,
    PacketType,
    ResetStream,
    Side,
    Stream,
    Trace,
    TransportParameters,
)
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Violation,
    requirement,
)
from quicmatrix.testcases.views.streams import StreamType, index
from quicmatrix.testcases.views.view import (
    arrived,
    complete,
    every,
    exists,
    frames,
    messages,
    never,
    readable,
    sent,
)

T = TypeVar("T")


@requirement(Level.SHOULD, "interop suite")
def client_raises_its_flow_control_limits(seen: Observation) -> Iterator[Finding]:
    """The client raises a flow-control limit, with MAX_DATA or MAX_STREAM_DATA, as data arrives."""
    raised = frames(sent(seen.trace, Side.CLIENT, PacketType.ONE_RTT), MaxData, MaxStreamData)
    yield from exists(
        raised,
        Violation("no MAX_DATA or MAX_STREAM_DATA frame of the client", side=Side.CLIENT),
        raised,
    )


@requirement(Level.MUST, "RFC 9000, 4.1")
def server_keeps_to_flow_control(seen: Observation) -> Iterator[Finding]:
    """The server does not send data in excess of the client's limits."""
    outgoing = readable(sent(seen.trace, Side.SERVER, PacketType.ONE_RTT))
    yield from every(_stream_data(seen.trace), outgoing)


@requirement(Level.TEST, "interop suite", compat=True)
def server_allows_at_most_1000_streams(seen: Observation) -> Iterator[Finding]:
    """The server's initial_max_streams_bidi is at most 1000."""
    extensions = messages(sent(seen.trace, Side.SERVER, PacketType.HANDSHAKE), EncryptedExtensions)
    yield from exists(
        extensions,
        Violation("the server sends no transport parameters", side=Side.SERVER),
        extensions,
    )
    yield from never(
        Violation(f"initial_max_streams_bidi is {limit}", packet)
        for packet, message in extensions
        if (limit := message.transport_parameters.initial_max_streams_bidi or 0) > 1000
    )


@requirement(Level.TEST, "interop suite")
def server_raises_the_stream_limit(seen: Observation) -> Iterator[Finding]:
    """The server raises the client's limit of bidirectional streams with MAX_STREAMS frames."""
    handshake = sent(seen.trace, Side.SERVER, PacketType.HANDSHAKE)
    initial = {
        packet.connection: message.transport_parameters.initial_max_streams_bidi or 0
        for packet, message in messages(handshake, EncryptedExtensions)
    }
    limits = frames(sent(seen.trace, Side.SERVER, PacketType.ONE_RTT), MaxStreams)
    yield from exists(
        (
            packet
            for packet, frame in limits
            if frame.bidirectional and frame.maximum > initial.get(packet.connection, 0)
        ),
        Violation("no MAX_STREAMS frame raises it", side=Side.SERVER),
        limits,
    )


@requirement(Level.MUST, "RFC 9000, 4.6")
def client_keeps_to_the_stream_limit(seen: Observation) -> Iterator[Finding]:
    """The client does not open more bidirectional streams than the server permits."""
    outgoing = readable(sent(seen.trace, Side.CLIENT, PacketType.ONE_RTT))
    yield from every(_opened(seen.trace), outgoing)


def _stream_data(trace: Trace) -> Iterator[Finding]:
    """The server's packets with stream data; each limit is violated once."""
    incoming = readable(arrived(trace, Side.SERVER))
    totals: dict[int, StreamData] = {}
    for packet in trace.near(Side.SERVER).packets:
        if packet.sender is Side.SERVER:
            if any(isinstance(frame, Stream | ResetStream) for frame in packet.frames):
                violations = tuple(_known(totals, packet, "ClientHello").count(packet))
                if violations:
                    complete(incoming)  # a hidden packet may have raised the limit
                yield from violations or (Held(packet),)
        elif packet.connection is not None:
            for message in packet.tls:
                if isinstance(message, ClientHello):
                    offer = StreamData(message.transport_parameters)
                    totals.setdefault(packet.connection, offer)
            if packet.connection in totals:
                totals[packet.connection].raise_limits(packet)


def _opened(trace: Trace) -> Iterator[Finding]:
    """The client's packets with streams it opened, until the first beyond the limit."""
    incoming = readable(arrived(trace, Side.CLIENT))
    limits: dict[int, int] = {}
    exceeded: set[int | None] = set()
    for packet in trace.near(Side.CLIENT).packets:
        if packet.sender is Side.SERVER:
            if packet.connection is not None:
                allowed = max(_stream_limits(packet), default=-1)
                if allowed > limits.get(packet.connection, -1):
                    limits[packet.connection] = allowed
        elif packet.type is PacketType.ONE_RTT and packet.connection not in exceeded:
            opened = max(_opened_streams(packet), default=0)
            if not opened:
                continue
            if opened <= (limit := _known(limits, packet, "EncryptedExtensions")):
                yield Held(packet)
                continue
            complete(incoming)  # a hidden packet may have raised the limit
            exceeded.add(packet.connection)
            yield Violation(f"stream number {opened} where {limit} are permitted", packet)


def _stream_limits(packet: Packet) -> Iterator[int]:
    """The limits of bidirectional streams that a packet of the server announces."""
    for message in packet.tls:
        if isinstance(message, EncryptedExtensions):
            yield message.transport_parameters.initial_max_streams_bidi or 0
    for frame in packet.frames:
        if isinstance(frame, MaxStreams) and frame.bidirectional:
            yield frame.maximum


def _opened_streams(packet: Packet) -> Iterator[int]:
    """How many bidirectional streams a client has if it sends this packet."""
    for frame in packet.frames:
        if (
            isinstance(frame, Stream | ResetStream)
            and StreamType.of(frame.stream_id) is StreamType.CLIENT_BIDIRECTIONAL
        ):
            yield index(frame.stream_id) + 1


@dataclass(slots=True)
class StreamData:
    """What the server has sent on one connection, and what it may send."""

    offer: TransportParameters
    limit: int = field(init=False)
    stream_limits: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    """The offset behind the last byte sent on each stream."""
    total: int = 0
    over: set[int | None] = field(default_factory=set)
    """Which streams were found to be over their limit; None is the connection."""

    def __post_init__(self) -> None:
        self.limit = self.offer.initial_max_data or 0

    def raise_limits(self, packet: Packet) -> None:
        """Take in the limits in a packet of the client."""
        for frame in packet.frames:
            if isinstance(frame, MaxData):
                self.limit = max(self.limit, frame.maximum)
            elif isinstance(frame, MaxStreamData):
                known = self.stream_limit(frame.stream_id)
                self.stream_limits[frame.stream_id] = max(known, frame.maximum)

    def count(self, packet: Packet) -> Iterator[Violation]:
        """Count a packet of the server; what exceeds a limit for the first time is a violation."""
        for frame in packet.frames:
            if not isinstance(frame, Stream | ResetStream):
                continue
            stream = frame.stream_id
            end = frame.offset + frame.length if isinstance(frame, Stream) else frame.final_size
            known = self.ends.get(stream, 0)
            self.ends[stream] = max(known, end)
            self.total += self.ends[stream] - known
            if end > self.stream_limit(stream) and stream not in self.over:
                self.over.add(stream)
                limit = self.stream_limit(stream)
                yield Violation(f"{end} bytes on stream {stream}, whose limit is {limit}", packet)
            if self.total > self.limit and None not in self.over:
                self.over.add(None)
                yield Violation(
                    f"{self.total} bytes on all streams, whose limit is {self.limit}", packet
                )

    def stream_limit(self, stream: int) -> int:
        """The limit, from the point of view of the client, who set it (RFC 9000, 18.2)."""
        initial = {
            StreamType.CLIENT_BIDIRECTIONAL: self.offer.initial_max_stream_data_bidi_local,
            StreamType.SERVER_BIDIRECTIONAL: self.offer.initial_max_stream_data_bidi_remote,
            StreamType.SERVER_UNIDIRECTIONAL: self.offer.initial_max_stream_data_uni,
        }.get(StreamType.of(stream))
        return self.stream_limits.get(stream, initial or 0)


def _known(table: Mapping[int, T], packet: Packet, origin: str) -> T:
    if packet.connection is None or packet.connection not in table:
        raise Inconclusive(f"the {origin} that sets the limits of {packet} was not seen")
    return table[packet.connection]
