"""What resumed connections show: limits, and 0-RTT packets that were rejected. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    EncryptedExtensions,
    Packet,
    PacketType,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.conformance.exchange import Exchange, messages
from quicmatrix.testcases.conformance.expectations import ExchangeCheck
from quicmatrix.testcases.model import Finding, Held, NotExercised, Violation

LIMITS = {
    "active_connection_id_limit": 2,
    "initial_max_data": 0,
    "initial_max_stream_data_bidi_local": 0,
    "initial_max_stream_data_bidi_remote": 0,
    "initial_max_stream_data_uni": 0,
    "initial_max_streams_bidi": 0,
    "initial_max_streams_uni": 0,
    "max_datagram_frame_size": 0,
}
"""What must not fall (RFC 9000, 7.4.1; RFC 9221, 3), and what it is where it is left out."""


def keeps_limits(exchange: Exchange) -> Iterator[Finding]:
    """The limits of a connection with 0-RTT are not below those of the one before it."""
    announced = list(messages(exchange.capture, EncryptedExtensions))
    if len(announced) < 2 or not announced[-1][1].accepts_early_data:
        yield NotExercised("the server accepted no 0-RTT")
        return
    (first, before), (second, after) = announced[0], announced[-1]
    lowered = [
        f"{name} falls from {was} to {now}"
        for name in LIMITS
        if (was := _limit(before.transport_parameters, name))
        > (now := _limit(after.transport_parameters, name))
    ]
    if lowered:
        yield Violation(", ".join(lowered), second, first)
    else:
        yield Held(second, first)


def respects_data_limit(limit: int) -> ExchangeCheck:
    """No more bytes on streams in 1-RTT than a limit, until it is raised."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        raised = exchange.datagrams("raised")
        end = raised[0].frame_number if raised else None
        sent: dict[int, int] = {}
        for packet, frame in _stream_frames(exchange):
            if end is not None and packet.datagram.frame_number > end:
                yield Held(packet, message="it waits for a higher limit")
                return
            last = frame.offset + frame.length
            sent[frame.stream_id] = max(sent.get(frame.stream_id, 0), last)
            if sum(sent.values()) > limit:
                yield Violation(
                    f"it sends {sum(sent.values())} bytes with a limit of {limit}",
                    packet,
                    exchange.stimulus,
                )
                return
            yield Held(packet)

    return check


def early_data_is_ignored(exchange: Exchange) -> Iterator[Finding]:
    """A 0-RTT packet that the server rejects is not acknowledged, and the connection goes on."""
    announced = [one for _, one in messages(exchange.capture, EncryptedExtensions)]
    if any(one.accepts_early_data for one in announced):
        yield NotExercised("the server accepts 0-RTT")
    elif packets := exchange.stimulus_acknowledged:
        yield Violation("it acknowledges a 0-RTT packet", packets[0], exchange.stimulus)
    elif answered := exchange.probes_answered:
        yield Held(answered[0], exchange.stimulus, message="it goes on without the 0-RTT data")
    else:
        yield NotExercised("the handshake does not complete")


def sends_again(exchange: Exchange) -> Iterator[Finding]:
    """Stream data that was sent in 0-RTT begins anew, at offset 0, in 1-RTT."""
    early = [
        one
        for one in exchange.capture.packets
        if one.sender is exchange.side and one.type is PacketType.ZERO_RTT
    ]
    if not early:
        yield NotExercised("the client sent no 0-RTT packet")
        return
    for packet, frame in _stream_frames(exchange):
        if frame.offset == 0:
            yield Held(packet, early[0])
            return
    yield Violation(
        "it sends nothing again in 1-RTT that it sent in 0-RTT", early[0], side=exchange.side
    )


def _limit(announced: TransportParameters, name: str) -> int:
    value = getattr(announced, name)
    return LIMITS[name] if value is None else int(value)


def _stream_frames(exchange: Exchange) -> Iterator[tuple[Packet, Stream]]:
    for packet in exchange.after:
        if packet.type is PacketType.ONE_RTT:
            for frame in packet.frames:
                if isinstance(frame, Stream):
                    yield packet, frame
