"""One side of HTTP/3 without QUIC below it: what its peer sends, and what it does about it."""

from __future__ import annotations

from typing import cast

import pylsqpack
from aioquic.h3.connection import FrameType, H3Connection, encode_frame
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StopSendingReceived, StreamDataReceived, StreamReset

from quicmatrix.endpoint.http.h3_connection import Http3
from quicmatrix.endpoint.transport.connection import Connection


class Wire:
    """Stands for a QUIC connection; remembers what was done to it and its streams."""

    def __init__(self, *, is_client: bool) -> None:
        self.configuration = QuicConfiguration(is_client=is_client)
        self.most_requests = 100
        self._quic_logger = None
        self._remote_max_datagram_frame_size = None
        self._next = {False: 0, True: 2} if is_client else {False: 1, True: 3}
        self.closed: int | None = None
        self.stopped_by_peer: set[int] = set()
        self.resets: dict[int, int] = {}
        self.stops: dict[int, int] = {}
        self.sent: dict[int, bytes] = {}

    def get_next_available_stream_id(self, is_unidirectional: bool = False) -> int:
        return self._next[is_unidirectional]

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        if not self.can_send_on(stream_id):
            raise RuntimeError("Cannot send data after the stream was reset")
        if stream_id not in self.sent:
            self._next[bool(stream_id & 2)] = max(stream_id + 4, self._next[bool(stream_id & 2)])
        self.sent[stream_id] = self.sent.get(stream_id, b"") + data

    def can_send_on(self, stream_id: int) -> bool:
        return stream_id not in self.stopped_by_peer and stream_id not in self.resets

    def close(self, error_code: int, reason_phrase: str = "") -> None:
        assert self.closed is None
        self.closed = int(error_code)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        self.resets.setdefault(stream_id, int(error_code))

    def stop_stream(self, stream_id: int, error_code: int) -> None:
        self.stops[stream_id] = int(error_code)


def data(stream_id: int, *parts: bytes, end: bool = False) -> StreamDataReceived:
    return StreamDataReceived(data=b"".join(parts), end_stream=end, stream_id=stream_id)


def reset(stream_id: int, code: int = 0x10C) -> StreamReset:
    return StreamReset(error_code=code, stream_id=stream_id)


def stop(stream_id: int) -> StopSendingReceived:
    return StopSendingReceived(error_code=0, stream_id=stream_id)


def frame(kind: int, payload: bytes = b"") -> bytes:
    return encode_frame(kind, payload)


def fields(*lines: tuple[bytes, bytes]) -> bytes:
    """A HEADERS frame, without the dynamic table."""
    _, section = pylsqpack.Encoder().encode(0, list(lines))
    return encode_frame(FrameType.HEADERS, section)


METHOD, SCHEME, PATH = (b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/")
AUTHORITY, HOST = (b":authority", b"server4"), (b"host", b"server4")
OK = (b":status", b"200")
GET = fields(METHOD, SCHEME, AUTHORITY, PATH)
ANSWER = fields(OK)
SETTINGS = b"\x00" + frame(4)
GREASE = frame(0x21 + 0x1F * 77, b"whatever")
CONTROL = {"server": 2, "client": 3}
ENCODER = {"server": 6, "client": 7}
DECODER = {"server": 10, "client": 11}
OWN = {"server": (3, 7, 11), "client": (2, 6, 10)}

TRAILERS = fields((b"etag", b"x"))
DYNAMIC_TABLE = b"\x3f\xe1\x1f"
"""Set Dynamic Table Capacity 4096."""
INSERT = DYNAMIC_TABLE + b"\x41a\x01b"
"""And a field into it."""
BLOCKED = frame(1, b"\x02\x00\x80")
"""A field section that needs the first entry of the dynamic table."""


def begun(
    role: str, kind: type[H3Connection] = Http3, *, after_settings: bool = True
) -> tuple[Wire, H3Connection]:
    """One side at the beginning; a client has asked for something."""
    wire = Wire(is_client=role == "client")
    h3 = kind(cast("Connection", wire))
    if role == "client":
        h3.send_headers(0, [METHOD, SCHEME, AUTHORITY, PATH], end_stream=True)
    if after_settings:
        h3.handle_event(data(CONTROL[role], SETTINGS))
    assert wire.closed is None
    return wire, h3
