"""RFC 9000, 3.2, 3.3 and 3.5: the states of streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.parameters import Parameter, replaced
from quicmatrix.runner.trace.model import (
    Packet,
    ResetStream,
    StopSending,
    Stream,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import (
    goes_on,
    shows,
)
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, case
from quicmatrix.testcases.conformance.rfc9000.section_02_streams import takes_whole_stream
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

ERROR_CODE = 0x1234


"""Of STOP_SENDING, so that it is seen whether it is copied."""


@case(
    "rfc9000/3.2/higher-stream-first",
    Level.MUST,
    rows="F-58",
    roles=SERVER,
    expects=shows(takes_whole_stream),
)
async def higher_stream_first(tester: Tester) -> None:
    """A stream of a higher number creates all lower ones of its type, which can then be used."""
    peer = await tester.connected()
    if peer.connection.streams_allowed() < 3:
        tester.not_applicable("the implementation allows fewer than three streams")
    first, _, third = (peer.new_stream() for _ in range(3))
    request = f"GET {tester.path_of_file}\r\n".encode()
    await peer.stimulus(frames.stream(third, request, fin=True))
    await peer.until(lambda: third in peer.ended, "the answer on the third stream")
    await peer.stimulus(frames.stream(first, request, fin=True))
    await peer.until(lambda: first in peer.ended, "the answer on the first stream")


@case(
    "rfc9000/3.2/higher-stream-of-server-first",
    Level.MUST,
    rows="F-58 C-41",
    roles=CLIENT,
    expects=goes_on(),
)
async def higher_stream_of_server_first(tester: Tester) -> None:
    """A client takes the server's third unidirectional stream before its first one."""
    peer = await tester.connected()
    if peer.connection.streams_allowed(unidirectional=True) < 3:
        tester.not_applicable("the implementation allows fewer than three streams")
    first, _, third = (peer.new_stream(unidirectional=True) for _ in range(3))
    # Without the first byte, so that no application sees it.
    await peer.stimulus(frames.stream(third, b"x", 1))
    await peer.stimulus(frames.stream(first, b"x", 1))


async def _stops_sending(tester: Tester) -> tuple[Peer, int]:
    """Ask that a stream be reset of which the window lets only the beginning be sent."""
    identifier, window = Parameter.INITIAL_MAX_STREAM_DATA_BIDI_LOCAL, 200
    if not tester.is_client:
        identifier, window = Parameter.INITIAL_MAX_STREAM_DATA_BIDI_REMOTE, 4
    peer = await tester.connecting(alter_parameters=replaced(identifier, window))
    await peer.confirmed()
    stream = peer.request(tester.path_of_file) if peer.is_client else 0
    await peer.until(lambda: len(peer.streams.get(stream, b"")) >= window, "a full window")
    await peer.settled()
    await peer.stimulus(frames.stop_sending(stream, ERROR_CODE))
    await peer.received(FrameType.RESET_STREAM)
    return peer, stream


def _resets(exchange: Exchange) -> Iterator[tuple[Packet, ResetStream]]:
    """The RESET_STREAM frames for streams that the stimulus is about."""
    stopped = {
        frame.stream_id
        for packet in exchange.stimulus_packets
        for frame in packet.frames
        if isinstance(frame, StopSending)
    }
    for packet, frame in exchange.frames_after(ResetStream):
        assert isinstance(frame, ResetStream)
        if frame.stream_id in stopped:
            yield packet, frame


def resets_the_stream(exchange: Exchange) -> Iterator[Finding]:
    """There is a RESET_STREAM."""
    for packet, _ in _resets(exchange):
        yield Held(packet, exchange.stimulus)
        return
    if exchange.close is not None:
        yield NotExercised("its application ends the whole connection")
    else:
        yield Violation("it does not reset the stream", exchange.stimulus, side=exchange.side)


def copies_the_code(exchange: Exchange) -> Iterator[Finding]:
    """RESET_STREAM has the error code of STOP_SENDING."""
    for packet, frame in _resets(exchange):
        if frame.error_code == ERROR_CODE:
            yield Held(packet, exchange.stimulus)
        else:
            words = f"the error code is {frame.error_code:#x}, instead of {ERROR_CODE:#x}"
            yield Violation(words, packet, exchange.stimulus)


def sends_nothing_after_reset(exchange: Exchange) -> Iterator[Finding]:
    """No STREAM frame of a stream follows its RESET_STREAM."""
    for reset_packet, reset in _resets(exchange):
        yield Held(reset_packet)
        for packet, frame in exchange.frames_after(Stream):
            assert isinstance(frame, Stream)
            at = packet.datagram.frame_number
            is_later = at > reset_packet.datagram.frame_number
            if frame.stream_id == reset.stream_id and is_later:
                yield Violation("it sends data on a stream that it has reset", packet, reset_packet)
                return


@case(
    "rfc9000/3.5/stop-sending-resets-stream",
    Level.MUST,
    rows="F-59 C-41",
    expects=shows(resets_the_stream),
)
async def stop_sending_resets_stream(tester: Tester) -> None:
    """STOP_SENDING for a stream of which not all is sent is answered with RESET_STREAM."""
    await _stops_sending(tester)


@case(
    "rfc9000/3.5/error-code-is-copied",
    Level.SHOULD,
    rows="F-59 C-41",
    expects=shows(copies_the_code),
)
async def error_code_is_copied(tester: Tester) -> None:
    """The RESET_STREAM that answers STOP_SENDING has its error code."""
    await _stops_sending(tester)


@case(
    "rfc9000/3.3/nothing-after-reset",
    Level.MUST,
    rows="B-37",
    expects=shows(sends_nothing_after_reset),
)
async def nothing_after_reset(tester: Tester) -> None:
    """Nothing more is sent on a stream after its RESET_STREAM, though the window would let it."""
    peer, stream = await _stops_sending(tester)
    await peer.send(frames.max_stream_data(stream, 1 << 20))
