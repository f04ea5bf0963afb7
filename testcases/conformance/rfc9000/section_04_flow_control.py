"""RFC 9000, 4.1, 4.2 and 4.6: limits of data and of streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.parameters import Parameter, replaced
from quicmatrix.runner.trace.model import MaxData, MaxStreamData, MaxStreams, Stream, StreamsBlocked
from quicmatrix.testcases.conformance.codes import FLOW_CONTROL_ERROR, STREAM_LIMIT_ERROR
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import closes, shows, transfers
from quicmatrix.testcases.conformance.limits import stays_within_data_limits, where_exceeded
from quicmatrix.testcases.conformance.model import CLIENT, MANY_FILES, Case, case, kebab
from quicmatrix.testcases.model import MIB, Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

MOST_SENT = 2 * MIB
"""Bytes that are sent to reach a limit."""
MOST_STREAMS_FILLED = 100
"""Streams of a kind that are used to reach the limit of a connection."""


@case(
    "rfc9000/4.1/stream-limit-exceeded",
    Level.MUST,
    rows="F-17 C-41",
    expects=where_exceeded(closes(FLOW_CONTROL_ERROR)),
)
async def stream_limit_exceeded(tester: Tester) -> None:
    """A byte more than a stream's limit closes the connection with FLOW_CONTROL_ERROR."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    await peer.stimulus(frames.stream(stream, b"x", peer.connection.stream_limit(stream)))


@case(
    "rfc9000/4.1/final-size-beyond-stream-limit",
    Level.MUST,
    rows="F-24 C-41",
    expects=where_exceeded(closes(FLOW_CONTROL_ERROR)),
)
async def final_size_beyond_stream_limit(tester: Tester) -> None:
    """RESET_STREAM with a final size beyond the stream's limit is a FLOW_CONTROL_ERROR."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    limit = peer.connection.stream_limit(stream)
    await peer.stimulus(frames.reset_stream(stream, 0, limit + 1))


async def _filled(tester: Tester, peer: Peer) -> tuple[int, int]:
    """Use up what the connection may carry, though it may be raised meanwhile.

    Returns:
        A stream that may carry more, and how much it has got.
    """
    streams = [] if peer.is_client else [peer.stream_id(0, ours=False)]
    peer.answered.update(streams)
    for is_uni in (False, True):
        allowed = peer.connection.streams_allowed(unidirectional=is_uni)
        count = min(allowed, MOST_STREAMS_FILLED)
        streams += [peer.new_stream(unidirectional=is_uni) for _ in range(count)]
    total = 0
    for stream in streams:
        size = 0
        while size < (limit := peer.connection.stream_limit(stream)):
            room = peer.connection.data_limit - total
            if not room:
                return stream, size
            more = min(limit - size, room)
            size, total = size + more, total + more
            await peer.send(frames.stream(stream, b"x", size - 1))
            await peer.settled()
    return tester.not_applicable("its streams together may not carry more than the connection")


@case(
    "rfc9000/4.1/connection-limit-exceeded",
    Level.MUST,
    rows="F-18 C-41",
    expects=where_exceeded(closes(FLOW_CONTROL_ERROR)),
)
async def connection_limit_exceeded(tester: Tester) -> None:
    """A byte more than the connection's limit closes it with FLOW_CONTROL_ERROR."""
    peer = await tester.connected()
    stream, size = await _filled(tester, peer)
    await peer.stimulus(frames.stream(stream, b"x", size))


@case(
    "rfc9000/4.1/final-size-beyond-connection-limit",
    Level.MUST,
    rows="F-18 F-24 C-41",
    expects=where_exceeded(closes(FLOW_CONTROL_ERROR)),
)
async def final_size_beyond_connection_limit(tester: Tester) -> None:
    """RESET_STREAM with a final size beyond the connection's limit is a FLOW_CONTROL_ERROR."""
    peer = await tester.connected()
    stream, size = await _filled(tester, peer)
    await peer.stimulus(frames.reset_stream(stream, 0, size + 1))


@case("rfc9000/4.1/lower-limits", Level.MUST, rows="F-32 C-41", expects=transfers())
async def lower_limits(tester: Tester) -> None:
    """MAX_DATA and MAX_STREAM_DATA that are lower than before are ignored."""
    peer = await tester.connected()
    tester.waits_for_end = not tester.is_client
    stream = peer.new_stream() if peer.is_client else peer.stream_id(0, ours=False)
    await peer.stimulus(frames.max_data(0), frames.max_stream_data(stream, 0))


@case(
    "rfc9000/4.1/data-within-limits",
    Level.MUST,
    rows="B-34",
    expects=shows(stays_within_data_limits),
)
async def data_within_limits(tester: Tester) -> None:
    """A sender stays within the limits of a stream and of the connection, however small."""
    stream_limit, data_limit, step = (200, 300, 250) if tester.is_client else (4, 6, 5)
    identifier = Parameter.INITIAL_MAX_STREAM_DATA_BIDI_LOCAL
    if not tester.is_client:
        identifier = Parameter.INITIAL_MAX_STREAM_DATA_BIDI_REMOTE
    small = replaced(identifier, stream_limit)
    peer = await tester.connecting(
        alter_parameters=lambda these: replaced(Parameter.INITIAL_MAX_DATA, data_limit)(
            small(these)
        ),
        stimulus=True,
    )
    await peer.confirmed()
    stream = peer.request(tester.path_of_file) if peer.is_client else 0
    await peer.until(lambda: len(peer.streams.get(stream, b"")) >= stream_limit, "a full stream")
    await peer.acknowledged(await peer.send(frames.max_stream_data(stream, stream_limit + step)))
    await peer.until(lambda: len(peer.streams.get(stream, b"")) >= data_limit, "all of the limit")
    await peer.send(frames.max_data(1 << 20), frames.max_stream_data(stream, 1 << 20))
    await peer.until(lambda: stream in peer.ended, "the whole stream")


def renews_credit(exchange: Exchange) -> Iterator[Finding]:
    """Data beyond the first limits arrives, of which nobody said that they are reached."""
    limits = [
        packet for kind in (MaxData, MaxStreamData) for packet, _ in exchange.frames_after(kind)
    ]
    if limits:
        yield Held(limits[0], exchange.stimulus)
    else:
        yield Violation("it allows no more data", exchange.stimulus, side=exchange.side)


@case(
    "rfc9000/4.2/credit-without-blocked-frames",
    Level.MUST,
    rows="B-36",
    roles=CLIENT,
    expects=shows(renews_credit),
)
async def credit_without_blocked_frames(tester: Tester) -> None:
    """A receiver allows more data without being told that the sender is blocked."""
    peer = await tester.connected()
    peer.connection.says_that_it_is_blocked = False
    stream = peer.stream_id(0, ours=False)
    limit = min(peer.connection.stream_limit(stream), peer.connection.data_limit)
    if limit > MOST_SENT:
        tester.not_applicable(f"the implementation takes {limit} bytes at first")
    peer.mark_next_flight()
    peer.answered.add(stream)
    peer.write(stream, bytes(limit + 1), fin=True)
    await peer.until(lambda: not peer.connection.unacknowledged(stream), "all of it acknowledged")


class _Opening(NamedTuple):
    """A frame that opens a stream of its sender's."""

    name: str
    unidirectional: bool
    make: Callable[[int], bytes]


_OPENINGS = (
    _Opening("STREAM", False, lambda stream: frames.stream(stream, b"x")),
    _Opening("STREAM", True, lambda stream: frames.stream(stream, b"x")),
    _Opening("RESET_STREAM", False, lambda stream: frames.reset_stream(stream, 0, 0)),
    _Opening("RESET_STREAM", True, lambda stream: frames.reset_stream(stream, 0, 0)),
    _Opening("STREAM_DATA_BLOCKED", False, lambda stream: frames.stream_data_blocked(stream, 0)),
    _Opening("STREAM_DATA_BLOCKED", True, lambda stream: frames.stream_data_blocked(stream, 0)),
    _Opening("STOP_SENDING", False, lambda stream: frames.stop_sending(stream, 0)),
    _Opening("MAX_STREAM_DATA", False, lambda stream: frames.max_stream_data(stream, 1 << 20)),
)


def _beyond_limit(opening: _Opening) -> Case:
    kind = "unidirectional" if opening.unidirectional else "bidirectional"

    async def script(tester: Tester) -> None:
        peer = await tester.connected()
        limit = peer.connection.streams_allowed(unidirectional=opening.unidirectional)
        stream = peer.stream_id(limit, ours=True, unidirectional=opening.unidirectional)
        await peer.stimulus(opening.make(stream))

    script.__doc__ = (
        f"{opening.name} for a {kind} stream beyond the limit closes the connection with"
        " STREAM_LIMIT_ERROR."
    )
    name = f"rfc9000/4.6/{kebab(opening.name)}-beyond-{kind}-limit"
    expects = closes(STREAM_LIMIT_ERROR)
    return case(name, Level.MUST, rows="F-19 C-41", expects=expects)(script)


BEYOND_LIMIT = tuple(_beyond_limit(opening) for opening in _OPENINGS)


def opens_no_more_streams(exchange: Exchange, allowed: int) -> Iterator[Finding]:
    """Until MAX_STREAMS arrives, the client sends nothing on streams beyond the first ones."""
    yield Held(exchange.stimulus)
    for packet in exchange.capture.packets:
        if packet.sender is exchange.tester:
            if any(isinstance(frame, MaxStreams) for frame in packet.frames):
                return
            continue
        for frame in packet.frames:
            if isinstance(frame, Stream) and frame.stream_id in range(4 * allowed, 1 << 62, 4):
                yield Violation(f"it uses stream {frame.stream_id}", packet)


def says_that_it_is_blocked(exchange: Exchange) -> Iterator[Finding]:
    """There is a STREAMS_BLOCKED frame for bidirectional streams."""
    for packet, frame in exchange.frames_after(StreamsBlocked):
        assert isinstance(frame, StreamsBlocked)
        if frame.bidirectional:
            yield Held(packet)
            return
    yield Violation("it sends no STREAMS_BLOCKED", exchange.stimulus, side=exchange.side)


async def _allows_streams(tester: Tester, allowed: int, files: int) -> None:
    peer = await tester.connecting(
        alter_parameters=replaced(Parameter.INITIAL_MAX_STREAMS_BIDI, allowed), stimulus=True
    )
    await peer.confirmed()
    await peer.until(lambda: len(peer.requests) >= allowed, f"{allowed} requests")
    await peer.settled()
    await peer.send(frames.max_streams(100))
    await peer.until(lambda: len(peer.requests) >= files, "all requests")


@case(
    "rfc9000/4.6/no-streams-allowed",
    Level.MUST,
    rows="C-42",
    roles=CLIENT,
    expects=shows(lambda exchange: opens_no_more_streams(exchange, 0)),
)
async def no_streams_allowed(tester: Tester) -> None:
    """A client whose peer allows no bidirectional streams opens none."""
    await _allows_streams(tester, 0, 1)


@case(
    "rfc9000/4.6/streams-blocked",
    Level.SHOULD,
    rows="C-42",
    roles=CLIENT,
    expects=shows(says_that_it_is_blocked),
)
async def streams_blocked(tester: Tester) -> None:
    """A client that cannot open the stream that it needs sends STREAMS_BLOCKED."""
    await _allows_streams(tester, 0, 1)


@case(
    "rfc9000/4.6/one-stream-allowed",
    Level.MUST,
    rows="B-35",
    roles=CLIENT,
    flow=MANY_FILES,
    expects=shows(lambda exchange: opens_no_more_streams(exchange, 1)),
)
async def one_stream_allowed(tester: Tester) -> None:
    """A client whose peer allows one bidirectional stream opens no second one."""
    await _allows_streams(tester, 1, 3)
