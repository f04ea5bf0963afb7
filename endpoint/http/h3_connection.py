"""HTTP/3 on a connection (RFC 9114): aioquic's framing and QPACK, with its faults corrected.

A malformed message is a stream error, GOAWAY and CANCEL_PUSH are read, closing any critical stream
is a connection error, and what is buffered for the peer is limited. Server push is not supported:
a client never sends MAX_PUSH_ID.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from aioquic._buffer import Buffer, BufferReadError
from aioquic.h3.connection import (
    ClosedCriticalStream,
    ErrorCode,
    FrameError,
    FrameType,
    FrameUnexpected,
    H3Connection,
    H3Stream,
    HeadersState,
    IdError,
    MessageError,
    ProtocolError,
    QpackDecompressionFailed,
    Setting,
    SettingsError,
    StreamCreationError,
    StreamType,
)
from aioquic.h3.events import H3Event, Headers
from aioquic.quic.events import QuicEvent, StreamDataReceived, StreamReset

from quicmatrix.endpoint.http.h3_fields import check_fields, checked_request, section_size
from quicmatrix.endpoint.transport.connection import Connection

MOST_SECTION_BYTES = 16 * 1024
"""Of a field section: what SETTINGS_MAX_FIELD_SECTION_SIZE says, and how long the frame may be."""
MOST_SETTINGS_BYTES = 4 * 1024
MOST_BLOCKED_BYTES = 4 * 1024 * 1024
"""Kept of a stream whose field section waits for the QPACK encoder's instructions."""
MOST_ID_BYTES = 8
PRIORITY_UPDATE_REQUEST, PRIORITY_UPDATE_PUSH = 0xF0700, 0xF0701
"""RFC 9218, 7.2."""
_PRIORITY_UPDATES = frozenset({PRIORITY_UPDATE_REQUEST, PRIORITY_UPDATE_PUSH})
_GREASE_FRAME = 0x21
_NO_CAPACITY = b"\x20"
"""Set Dynamic Table Capacity 0: the initial one (RFC 9204, 3.2.2), which ls-qpack has not."""
_OF_ONE_NUMBER = frozenset({FrameType.MAX_PUSH_ID, FrameType.GOAWAY, FrameType.CANCEL_PUSH})
_READ_ON_CONTROL = frozenset({FrameType.SETTINGS}) | _OF_ONE_NUMBER | _PRIORITY_UPDATES


class ExcessiveLoadError(ProtocolError):
    """The peer exceeds a limit on what is buffered for it (RFC 9114, 10.5)."""

    error_code = ErrorCode.H3_EXCESSIVE_LOAD


@dataclass
class MessageRefused(H3Event):
    """A malformed message ended its stream (RFC 9114, 4.1.2)."""

    stream_id: int
    reason: str


class Http3(H3Connection):
    """The HTTP/3 state of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._refused: set[int] = set()
        """Streams of malformed messages, until the peer ends them."""
        self.last_stream: int | None = None
        """What GOAWAY said: no request on this stream or a later one will be answered."""
        super().__init__(connection)
        self._decoder.feed_encoder(_NO_CAPACITY)

    # --- Receiving ----------------------------------------------------------------------------

    def handle_event(self, event: QuicEvent) -> list[H3Event]:
        """The HTTP events of a QUIC event; an error of the peer closes the connection."""
        try:
            http_events = super().handle_event(event)
        except (RuntimeError, ValueError):
            # QPACK had to answer on a stream of ours that the peer has stopped; the event that
            # says so is behind this one.
            if self._has_critical_streams:
                raise
            self._close(ClosedCriticalStream("a critical stream was stopped"))
            return []
        if isinstance(event, StreamReset) or (
            isinstance(event, StreamDataReceived) and event.end_stream
        ):
            self._refused.discard(event.stream_id)
        return http_events

    def _receive_stream_data(self, event: StreamDataReceived) -> list[H3Event]:
        if self._is_client and event.stream_id % 4 == 1:  # RFC 9114, 6.1
            raise StreamCreationError("a server opens no bidirectional streams")
        http_events = super()._receive_stream_data(event)
        if event.end_stream and event.stream_id in {
            self._peer_decoder_stream_id,
            self._peer_encoder_stream_id,
        }:  # RFC 9204, 4.2
            raise ClosedCriticalStream("the end of a QPACK stream")
        return http_events

    # --- The control stream -------------------------------------------------------------------

    def _receive_stream_data_uni(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        """Read the control stream here: aioquic skips GOAWAY and CANCEL_PUSH unread."""
        if stream.stream_type is None and self._is_control(stream.buffer + data):
            if self._peer_control_stream_id is not None:
                raise StreamCreationError("a second control stream")
            self._peer_control_stream_id = stream.stream_id
            stream.stream_type = StreamType.CONTROL
            self._log_stream_type(stream_id=stream.stream_id, stream_type=StreamType.CONTROL)
            data = _after_number(stream.buffer + data)
            stream.buffer = b""
        if stream.stream_type != StreamType.CONTROL:
            return super()._receive_stream_data_uni(stream, data, stream_ended)
        if stream_ended:
            raise ClosedCriticalStream("the end of the control stream")
        stream.buffer += data
        self._read_control_frames(stream)
        return []

    @staticmethod
    def _is_control(data: bytes) -> bool:
        try:
            return Buffer(data=data).pull_uint_var() == StreamType.CONTROL
        except BufferReadError:
            return False

    def _read_control_frames(self, stream: H3Stream) -> None:
        """Read the frames that are there, and skip what there is of unknown ones."""
        buf = Buffer(data=stream.buffer)
        done = 0
        while True:
            if stream.frame_type is None or stream.frame_size is None:
                try:
                    frame_type, frame_size = buf.pull_uint_var(), buf.pull_uint_var()
                except BufferReadError:
                    break
                done = buf.tell()
                self._check_control_frame_type(frame_type)
                _check_control_frame_size(frame_type, frame_size)
                stream.frame_type, stream.frame_size = frame_type, frame_size
            size = min(stream.frame_size, buf.capacity - done)
            if stream.frame_type in _READ_ON_CONTROL:
                if size < stream.frame_size:
                    break
                self._handle_control_frame(stream.frame_type, buf.pull_bytes(size))
            done += size
            buf.seek(done)
            stream.frame_size -= size
            if stream.frame_size:
                break
            stream.frame_type = stream.frame_size = None
        stream.buffer = stream.buffer[done:]

    def _check_control_frame_type(self, frame_type: int) -> None:
        super()._check_control_frame_type(frame_type)
        if frame_type in _PRIORITY_UPDATES and self._is_client:  # RFC 9218, 7.2
            raise FrameUnexpected("servers send no PRIORITY_UPDATE")

    def _handle_control_frame(self, frame_type: int, frame_data: bytes) -> None:
        if frame_type == FrameType.GOAWAY:
            self._going_away(_number(frame_data))
        elif frame_type in _PRIORITY_UPDATES:
            self._priority_updated(frame_type, frame_data)
        elif frame_type == FrameType.CANCEL_PUSH:
            _number(frame_data)
            raise IdError("CANCEL_PUSH, but there are no pushes")  # RFC 9114, 7.2.3
        else:
            super()._handle_control_frame(frame_type, frame_data)

    def _going_away(self, identifier: int) -> None:
        """RFC 9114, 5.2: a stream from a server, a push from a client; never more than before."""
        if self._is_client and identifier % 4:
            raise IdError(f"GOAWAY names stream {identifier}, which no client opens")
        if self.last_stream is not None and identifier > self.last_stream:
            raise IdError(f"GOAWAY names {identifier}, but {self.last_stream} before")
        self.last_stream = identifier

    def _priority_updated(self, frame_type: int, frame_data: bytes) -> None:
        """Check what a PRIORITY_UPDATE is for (RFC 9218, 7.2); the priority itself is ignored."""
        try:
            identifier = Buffer(data=frame_data).pull_uint_var()
        except BufferReadError:
            raise FrameError("a PRIORITY_UPDATE without the whole of its identifier") from None
        if frame_type == PRIORITY_UPDATE_PUSH:
            raise IdError("PRIORITY_UPDATE for a push, but there are no pushes")
        if identifier % 4 or identifier // 4 >= self._connection.most_requests:
            raise IdError(f"PRIORITY_UPDATE for stream {identifier}, which cannot be a request")

    # --- Messages -----------------------------------------------------------------------------

    def _receive_request_or_push_data(
        self, stream: H3Stream, data: bytes, stream_ended: bool
    ) -> list[H3Event]:
        if stream.stream_id in self._refused:
            stream.receiving_ended |= stream_ended
            return []
        if stream.blocked and len(stream.buffer) + len(data) > MOST_BLOCKED_BYTES:
            raise ExcessiveLoadError("a stream is blocked, and goes on")
        try:
            return super()._receive_request_or_push_data(stream, data, stream_ended)
        except MessageError as error:
            return [self._refuse(stream, error)]

    def _handle_request_or_push_frame(
        self, frame_type: int, frame_data: bytes | None, stream: H3Stream, stream_ended: bool
    ) -> list[H3Event]:
        try:
            return super()._handle_request_or_push_frame(
                frame_type, frame_data, stream, stream_ended
            )
        except MessageError as error:
            if frame_data is not None:
                raise  # to the reader of the stream, which has to stop
            return [self._refuse(stream, error)]

    def _check_request_or_push_frame_type(self, frame_type: int, stream: H3Stream) -> None:
        super()._check_request_or_push_frame_type(frame_type, stream)
        if frame_type in _PRIORITY_UPDATES:  # RFC 9218, 7.2
            raise FrameUnexpected("PRIORITY_UPDATE outside of the control stream")
        if frame_type == FrameType.HEADERS and (stream.frame_size or 0) > MOST_SECTION_BYTES:
            raise ExcessiveLoadError(f"a HEADERS frame of {stream.frame_size} bytes")
        if frame_type == FrameType.WEBTRANSPORT_STREAM:
            # A frame of an unknown type, as we do not speak WebTransport; aioquic does in any case.
            stream.frame_type = _GREASE_FRAME

    def _decode_headers(self, stream_id: int, frame_data: bytes | None) -> Headers:
        if frame_data is not None and frame_data[:1] == b"\0" and frame_data[1:2] >= b"\x80":
            raise QpackDecompressionFailed("a negative Base")  # RFC 9204, 4.5.1.2
        fields = super()._decode_headers(stream_id, frame_data)
        if section_size(fields) > MOST_SECTION_BYTES:
            raise MessageError("a field section that is larger than we said that we take")
        is_first = self._stream[stream_id].headers_recv_state is HeadersState.INITIAL
        if is_first and not self._is_client:
            return checked_request(fields)
        check_fields(fields)
        return fields

    def _refuse(self, stream: H3Stream, error: MessageError) -> MessageRefused:
        """End the stream of a malformed message; aioquic ends the connection."""
        if not stream.receiving_ended:
            self._refused.add(stream.stream_id)
            with suppress(ValueError):  # its end is in an event that we have not seen yet
                self._connection.stop_stream(stream.stream_id, ErrorCode.H3_MESSAGE_ERROR)
        self._connection.reset_stream(stream.stream_id, ErrorCode.H3_MESSAGE_ERROR)
        stream.sending_ended = True
        stream.buffer = b""
        return MessageRefused(stream.stream_id, error.reason_phrase)

    # --- Sending ------------------------------------------------------------------------------

    def _init_connection(self) -> None:
        self._max_push_id = None
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        """Without ENABLE_CONNECT_PROTOCOL, which aioquic always sends."""
        return {
            Setting.QPACK_MAX_TABLE_CAPACITY: self._max_table_capacity,
            Setting.QPACK_BLOCKED_STREAMS: self._blocked_streams,
            Setting.MAX_FIELD_SECTION_SIZE: MOST_SECTION_BYTES,
            Setting.DUMMY: 1,
        }

    def _validate_settings(self, settings: dict[int, int]) -> None:
        """Check the values of the settings that are defined for us (RFC 9297, 2.1.1; 8441, 3).

        aioquic also refuses SETTINGS_H3_DATAGRAM without the max_datagram_frame_size transport
        parameter, which RFC 9297 allows, and checks settings of WebTransport, which we ignore.
        """
        for setting in (Setting.ENABLE_CONNECT_PROTOCOL, Setting.H3_DATAGRAM):
            if settings.get(setting, 0) not in {0, 1}:
                raise SettingsError(f"the value of {setting.name} is neither 0 nor 1")

    def _encode_headers(self, stream_id: int, headers: Headers) -> bytes:
        if not self._has_critical_streams:
            self._close(ClosedCriticalStream("a critical stream was stopped"))
            return b""
        return super()._encode_headers(stream_id, headers)

    @property
    def _has_critical_streams(self) -> bool:
        own = (
            self._local_control_stream_id,
            self._local_encoder_stream_id,
            self._local_decoder_stream_id,
        )
        return all(each is not None and self._connection.can_send_on(each) for each in own)

    def _close(self, error: ProtocolError) -> None:
        self._is_done = True
        self._connection.close(error_code=error.error_code, reason_phrase=error.reason_phrase)


def _check_control_frame_size(frame_type: int, frame_size: int) -> None:
    if frame_type not in _READ_ON_CONTROL:
        return
    if frame_size > MOST_SETTINGS_BYTES:
        raise ExcessiveLoadError(f"a frame of {frame_size} bytes on the control stream")
    if frame_type in _OF_ONE_NUMBER and frame_size > MOST_ID_BYTES:
        raise FrameError(f"a frame of {frame_size} bytes for one identifier")


def _number(frame_data: bytes) -> int:
    """The one identifier that is all of a frame (RFC 9114, 7.1)."""
    buf = Buffer(data=frame_data)
    try:
        number = buf.pull_uint_var()
    except BufferReadError:
        raise FrameError("a frame without the whole of its identifier") from None
    if not buf.eof():
        raise FrameError("a frame with more than its identifier")
    return number


def _after_number(data: bytes) -> bytes:
    buf = Buffer(data=data)
    buf.pull_uint_var()
    return data[buf.tell() :]
