"""HTTP/3 and QPACK as bytes (RFC 9114, 7; RFC 9204, 4). Nothing is checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum

import pylsqpack
from aioquic._buffer import Buffer, BufferReadError

from quicmatrix.endpoint.tester.frames import varint

Fields = Sequence[tuple[bytes, bytes]]


class H3Frame(IntEnum):
    """RFC 9114, 7.2."""

    DATA = 0x00
    HEADERS = 0x01
    CANCEL_PUSH = 0x03
    SETTINGS = 0x04
    PUSH_PROMISE = 0x05
    GOAWAY = 0x07
    MAX_PUSH_ID = 0x0D


class StreamKind(IntEnum):
    """RFC 9114, 6.2; RFC 9204, 4.2."""

    CONTROL = 0x00
    PUSH = 0x01
    QPACK_ENCODER = 0x02
    QPACK_DECODER = 0x03


class Setting(IntEnum):
    """RFC 9114, 7.2.4.1; RFC 9204, 5."""

    QPACK_MAX_TABLE_CAPACITY = 0x01
    MAX_FIELD_SECTION_SIZE = 0x06
    QPACK_BLOCKED_STREAMS = 0x07


def frame(kind: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """A frame; ``length`` is what it says, if not the truth."""
    return varint(kind) + varint(len(payload) if length is None else length) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """A SETTINGS frame with these identifiers and values."""
    return frame(H3Frame.SETTINGS, b"".join(varint(key) + varint(value) for key, value in pairs))


def identifier_frame(kind: int, identifier: int, *, trailing: bytes = b"") -> bytes:
    """A GOAWAY, MAX_PUSH_ID or CANCEL_PUSH frame; ``trailing`` does not belong there."""
    return frame(kind, varint(identifier) + trailing)


def push_promise(push_id: int, fields: Fields) -> bytes:
    """A PUSH_PROMISE frame."""
    return frame(H3Frame.PUSH_PROMISE, varint(push_id) + field_section(fields))


def reserved(number: int) -> int:
    """The n-th type that is reserved for being unknown: of frames, streams, settings and errors."""
    return 0x1F * number + 0x21


def stream(kind: int, *parts: bytes) -> bytes:
    """The beginning of a unidirectional stream."""
    return varint(kind) + b"".join(parts)


def field_section(fields: Fields) -> bytes:
    """An encoded field section without references to the dynamic table."""
    _, section = pylsqpack.Encoder().encode(0, list(fields))
    return section


def headers(fields: Fields) -> bytes:
    """A HEADERS frame."""
    return frame(H3Frame.HEADERS, field_section(fields))


def request_fields(path: str, authority: str = "server4") -> list[tuple[bytes, bytes]]:
    """The fields of a GET request."""
    return [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", authority.encode()),
        (b":path", path.encode()),
    ]


def response_fields(size: int) -> list[tuple[bytes, bytes]]:
    """The fields of an answer with a body of so many bytes."""
    return [(b":status", b"200"), (b"content-length", str(size).encode())]


def requested_path(stream: bytes) -> str:
    """The path of a request, from the bytes of its stream; empty if it has none so far."""
    for kind, payload in whole_frames(stream):
        if kind == H3Frame.HEADERS:
            try:
                _, fields = pylsqpack.Decoder(0, 0).feed_header(0, payload)
            except (pylsqpack.DecompressionFailed, pylsqpack.StreamBlocked):
                return ""
            return dict(fields).get(b":path", b"").decode(errors="replace")
    return ""


def settings_in(stream: bytes) -> dict[int, int] | None:
    """The settings at the beginning of a control stream; None if it is none, or not yet."""
    buf = Buffer(data=stream)
    try:
        if buf.pull_uint_var() != StreamKind.CONTROL:
            return None
        kind, payload = next(whole_frames(stream[buf.tell() :]))
        if kind != H3Frame.SETTINGS:
            return None
        buf, found = Buffer(data=payload), {}
        while not buf.eof():
            key = buf.pull_uint_var()
            found[key] = buf.pull_uint_var()
    except (BufferReadError, StopIteration):
        return None
    return found


def whole_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of the frames that are there whole."""
    buf = Buffer(data=data)
    try:
        while not buf.eof():
            kind = buf.pull_uint_var()
            yield kind, buf.pull_bytes(buf.pull_uint_var())
    except BufferReadError:
        return
