"""The frames in a decrypted payload (RFC 9000, 19)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quicmatrix.runner.trace.model import (
    Ack,
    ConnectionClose,
    Crypto,
    DataBlocked,
    DatagramFrame,
    EcnCounts,
    Frame,
    HandshakeDone,
    MaxData,
    MaxStreamData,
    MaxStreams,
    NewConnectionId,
    NewToken,
    PathChallenge,
    PathResponse,
    Ping,
    ResetStream,
    RetireConnectionId,
    StopSending,
    Stream,
    StreamDataBlocked,
    StreamsBlocked,
    UnknownFrame,
)
from quicmatrix.runner.trace.reader import MalformedError, Reader

LEAST_STREAM_BYTES = 16
"""Bytes of a STREAM frame's data that are always kept."""

MAX_ACK_RANGES = 4096
"""A datagram has no room for more than that, unless it is a jumbogram."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of a packet."""

    frames: tuple[Frame, ...]
    padding: int
    unread: str = ""
    """Why the frames are not all of them; empty if they are."""


def parse_payload(plaintext: bytes, stream_bytes: int = 0) -> Payload:
    """The frames of a packet, up to the first one that cannot be read.

    Args:
        plaintext: The payload without protection.
        stream_bytes: How many bytes to keep of the beginning of each stream.
    """
    reader = Reader(plaintext)
    frames: list[Frame] = []
    padding = 0
    unread = ""
    while reader.remaining:
        if zeros := reader.skip_zeros():
            padding += zeros
            continue
        frame_type = None
        try:
            frame_type = reader.varint()
            frame = _frame(frame_type, reader, stream_bytes)
        except MalformedError as error:
            unread = f"{_name(frame_type)}: {error}"
            break
        frames.append(frame)
        if isinstance(frame, UnknownFrame) and frame_type not in _EXTENSIONS:
            if reader.remaining:
                unread = f"{_name(frame_type)} is unknown, and so is where it ends"
            break
    return Payload(tuple(frames), padding, unread)


def _name(frame_type: int | None) -> str:
    return "a frame type" if frame_type is None else f"a frame of type {frame_type:#04x}"


def _frame(frame_type: int, reader: Reader, stream_bytes: int) -> Frame:
    if _STREAM <= frame_type < _STREAM + 8:
        return _stream(frame_type, reader, stream_bytes)
    parse = _PARSERS.get(frame_type)
    if parse is not None:
        return parse(reader)
    for _ in range(_EXTENSIONS.get(frame_type, 0)):
        reader.varint()
    return UnknownFrame(frame_type)


def _stream(frame_type: int, reader: Reader, stream_bytes: int) -> Stream:
    """RFC 9000, 19.8: the low bits of the type are OFF, LEN and FIN."""
    stream_id = reader.varint()
    offset = reader.varint() if frame_type & 4 else 0
    data = reader.take(reader.varint()) if frame_type & 2 else reader.rest()
    kept = data[: max(LEAST_STREAM_BYTES, stream_bytes - offset)]
    return Stream(stream_id, offset, len(data), bool(frame_type & 1), kept)


def _ack(reader: Reader) -> Ack:
    """RFC 9000, 19.3.1: what is encoded are the distances between ranges."""
    largest = reader.varint()
    delay = reader.varint()
    count = reader.varint()
    if count > MAX_ACK_RANGES:
        raise MalformedError(f"{count} ACK ranges do not fit")
    smallest = largest - reader.varint()
    ranges = [(smallest, largest)]
    for _ in range(count):
        high = smallest - reader.varint() - 2
        smallest = high - reader.varint()
        ranges.append((smallest, high))
    if smallest < 0:
        raise MalformedError("it acknowledges a negative packet number")
    return Ack(largest, delay, tuple(ranges))


def _ack_ecn(reader: Reader) -> Ack:
    ack = _ack(reader)
    counts = EcnCounts(ect_0=reader.varint(), ect_1=reader.varint(), ce=reader.varint())
    return Ack(ack.largest, ack.delay, ack.ranges, counts)


def _crypto(reader: Reader) -> Crypto:
    offset = reader.varint()
    data = reader.take(reader.varint())
    return Crypto(offset, len(data), data)


def _new_connection_id(reader: Reader) -> NewConnectionId:
    return NewConnectionId(
        sequence=reader.varint(),
        retire_prior_to=reader.varint(),
        connection_id=reader.opaque(1),
        stateless_reset_token=reader.take(16),
    )


def _transport_close(reader: Reader) -> ConnectionClose:
    error_code, frame_type = reader.varint(), reader.varint()
    return ConnectionClose(error_code, frame_type, _reason(reader), application=False)


def _application_close(reader: Reader) -> ConnectionClose:
    error_code = reader.varint()
    return ConnectionClose(error_code, None, _reason(reader), application=True)


def _reason(reader: Reader) -> str:
    return reader.take(reader.varint()).decode(errors="replace")


_STREAM = 0x08

_PARSERS: dict[int, Callable[[Reader], Frame]] = {
    0x01: lambda _: Ping(),
    0x02: _ack,
    0x03: _ack_ecn,
    0x04: lambda r: ResetStream(r.varint(), r.varint(), r.varint()),
    0x05: lambda r: StopSending(r.varint(), r.varint()),
    0x06: _crypto,
    0x07: lambda r: NewToken(r.take(r.varint())),
    0x10: lambda r: MaxData(r.varint()),
    0x11: lambda r: MaxStreamData(r.varint(), r.varint()),
    0x12: lambda r: MaxStreams(r.varint(), bidirectional=True),
    0x13: lambda r: MaxStreams(r.varint(), bidirectional=False),
    0x14: lambda r: DataBlocked(r.varint()),
    0x15: lambda r: StreamDataBlocked(r.varint(), r.varint()),
    0x16: lambda r: StreamsBlocked(r.varint(), bidirectional=True),
    0x17: lambda r: StreamsBlocked(r.varint(), bidirectional=False),
    0x18: _new_connection_id,
    0x19: lambda r: RetireConnectionId(r.varint()),
    0x1A: lambda r: PathChallenge(r.take(8)),
    0x1B: lambda r: PathResponse(r.take(8)),
    0x1C: _transport_close,
    0x1D: _application_close,
    0x1E: lambda _: HandshakeDone(),
    0x30: lambda r: DatagramFrame(len(r.rest())),
    0x31: lambda r: DatagramFrame(len(r.take(r.varint()))),
}

_EXTENSIONS: dict[int, int] = {
    0x1F: 0,  # IMMEDIATE_ACK
    0x24: 4,  # RESET_STREAM_AT
    0xAF: 4,  # ACK_FREQUENCY
    0x02F5: 1,  # TIMESTAMP
}
"""Frames of drafts, and of how many integers they are made: enough to read on behind them."""
