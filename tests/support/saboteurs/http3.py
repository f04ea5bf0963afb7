"""Reference endpoints that each break one requirement of HTTP/3 or QPACK.

A saboteur takes the connection's class and returns another one; it may change a module, since it
runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aioquic.h3.connection import (
    ErrorCode,
    FrameType,
    H3Connection,
    MessageError,
    ProtocolError,
    StreamType,
)
from aioquic.h3.events import Headers
from aioquic.quic.events import StopSendingReceived, StreamDataReceived, StreamReset

from quicmatrix.endpoint.http.h3_connection import Http3
from tests.support.saboteurs.model import Class, Saboteur

_E = ErrorCode
_NAME = b"x-name"


# --- Errors that are overlooked -----------------------------------------------------------------


def ignores(code: int) -> Saboteur:
    """It goes on where it must close the connection with an error of HTTP/3 or QPACK."""

    def make(base: Class) -> Class:
        Http3._is_done = property(lambda _: False, lambda _, __: None)  # type: ignore[assignment]

        class Ignoring(base):  # type: ignore[misc,valid-type]
            def close(
                self, error_code: int = 0, frame_type: int | None = None, reason_phrase: str = ""
            ) -> None:
                if frame_type is not None or error_code != code:
                    super().close(error_code, frame_type, reason_phrase)

        return Ignoring

    return make


def reads(alter: Callable[[Headers], Headers]) -> Saboteur:
    """It alters field sections before it looks at what is wrong with them, or raises an error."""

    def make(base: Class) -> Class:
        original = H3Connection._decode_headers

        def decode(self: H3Connection, stream_id: int, frame_data: bytes | None) -> Headers:
            return alter(original(self, stream_id, frame_data))

        H3Connection._decode_headers = decode  # type: ignore[method-assign]
        return base

    return make


def _without(*names: bytes) -> Callable[[Headers], Headers]:
    return lambda fields: [one for one in fields if one[0] not in names]


def _lower(fields: Headers) -> Headers:
    return [(name.lower(), value) for name, value in fields]


def _pseudo_first(fields: Headers) -> Headers:
    return sorted(fields, key=lambda field: not field[0].startswith(b":"))


def _without_trailers(fields: Headers) -> Headers:
    return [] if len(fields) == 1 and fields[0] in _TRAILERS else fields


_TRAILERS = ((b":path", b"/"), (b":status", b"200"))


def _with(name: bytes, value: Callable[[], bytes]) -> Callable[[Headers], Headers]:
    """With a field that is missing, or empty."""

    def alter(fields: Headers) -> Headers:
        if dict(fields).get(name):
            return fields
        return [(name, value()), *_without(name)(fields)]

    return alter


def _once(fields: Headers) -> Headers:
    return list(dict.fromkeys(fields))


def _some_file() -> bytes:
    return b"/" + next(Path("/www").iterdir()).name.encode()


def _status(fields: Headers) -> Headers:
    return [(b":status", b"200"), *fields] if fields == [(_NAME, b"value")] else fields


def _get(fields: Headers) -> Headers:
    return [(name, b"GET" if value == b"CONNECT" else value) for name, value in fields]


def _without_character(character: bytes) -> Callable[[Headers], Headers]:
    def alter(fields: Headers) -> Headers:
        return [(one.replace(character, b""), two.replace(character, b"")) for one, two in fields]

    return alter


def _response_without_path(fields: Headers) -> Headers:
    return _without(b":path")(fields) if b":status" in dict(fields) else fields


def _request_without_status(fields: Headers) -> Headers:
    return _without(b":status")(fields) if b":method" in dict(fields) else fields


# --- Errors that are none -----------------------------------------------------------------------


def objects(method: str, is_meant: Callable[..., bool]) -> Saboteur:
    """It closes the connection where a method of ``Http3`` is called with certain arguments."""

    def make(base: Class) -> Class:
        original = getattr(Http3, method)

        def objecting(self: Http3, *arguments: Any, **named: Any) -> Any:
            if is_meant(self, *arguments, **named):
                raise ProtocolError("sabotage")
            return original(self, *arguments, **named)

        setattr(Http3, method, objecting)
        return base

    return make


def refuses(is_meant: Callable[[dict[bytes, bytes]], bool]) -> Saboteur:
    """It takes field sections for malformed that are none."""

    def alter(fields: Headers) -> Headers:
        if is_meant(dict(fields)):
            raise MessageError("sabotage")
        return fields

    return reads(alter)


def closes_at(is_meant: Callable[[Any], bool]) -> Saboteur:
    """It closes the connection at an event."""

    def make(base: Class) -> Class:
        original = Http3.handle_event

        def handle(self: Http3, event: Any) -> Any:
            if is_meant(event):
                self._close(ProtocolError("sabotage"))
                return []
            return original(self, event)

        Http3.handle_event = handle  # type: ignore[method-assign]
        return base

    return make


_KNOWN_FRAMES = frozenset(FrameType)


def _is_unknown_frame(_: Http3, frame_type: int, *__: Any) -> bool:
    return frame_type not in _KNOWN_FRAMES


def _is_unknown_reset(event: Any) -> bool:
    return isinstance(event, StreamReset) and event.error_code not in frozenset(ErrorCode)


def _is_reset_of_request(event: Any) -> bool:
    ends = isinstance(event, StreamReset | StopSendingReceived) and event.stream_id % 4 == 0
    return ends and event.error_code == _E.H3_REQUEST_CANCELLED


def _is_unidirectional_reset(event: Any) -> bool:
    return isinstance(event, StreamReset) and event.stream_id % 4 in (2, 3)


def _is_empty_stream(event: Any) -> bool:
    is_data = isinstance(event, StreamDataReceived) and event.stream_id % 4 in (2, 3)
    return is_data and event.end_stream and not event.data


def _opens(*kinds: int) -> Callable[..., bool]:
    """Whether the peer opens a stream of a type; of none of ours if there is no type."""

    def is_meant(self: Http3, stream: Any, data: bytes, _: bool) -> bool:
        if stream.stream_type is not None or not data:
            return False
        return data[0] in kinds if kinds else data[0] > StreamType.QPACK_DECODER

    return is_meant


def _has_large_base(_: Http3, __: int, frame_data: bytes | None) -> bool:
    return frame_data is not None and frame_data[1:2] == b"\x7f"


def _duplicates(self: Http3, stream: Any, data: bytes, _: bool) -> bool:
    return bool(stream.stream_type == StreamType.QPACK_ENCODER and data.endswith(b"\0"))


# --- What it sends of itself --------------------------------------------------------------------


def sends(alter: Callable[[Any, int, bytes, bool], tuple[bytes, bool]]) -> Saboteur:
    """It writes something else to its streams."""

    def make(base: Class) -> Class:
        class Sending(base):  # type: ignore[misc,valid-type]
            def send_stream_data(
                self, stream_id: int, data: bytes, end_stream: bool = False
            ) -> None:
                super().send_stream_data(stream_id, *alter(self, stream_id, data, end_stream))

        return Sending

    return make


def _no_end(_: Any, stream_id: int, data: bytes, end: bool) -> tuple[bytes, bool]:
    return data, end and stream_id % 4 != 0


def _an_instruction(_: Any, stream_id: int, data: bytes, end: bool) -> tuple[bytes, bool]:
    return data + b"\x20" if (data, stream_id % 4 > 1) == (b"\x02", True) else data, end


def waits_for_settings(base: Class) -> Class:
    """It sends nothing on its control stream before its peer has opened one."""

    class Waiting(base):  # type: ignore[misc,valid-type]
        held: dict[int, bytes] | None = None

        def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
            if stream_id in (2, 3) and not self._is_opened:
                self.held = {stream_id: (self.held or {}).get(stream_id, b"") + data}
                data = b""
            super().send_stream_data(stream_id, data, end_stream)

        @property
        def _is_opened(self) -> bool:
            return (3 if self._is_client else 2) in self._streams

        def receive_datagram(self, *arguments: Any, **named: Any) -> None:
            super().receive_datagram(*arguments, **named)
            if self.held and self._is_opened:
                ((stream_id, data),) = self.held.items()
                self.held = None
                self.send_stream_data(stream_id, data)

    return Waiting


# --- Which for which ----------------------------------------------------------------------------

_HTTP2_FRAMES = ("priority", "ping", "window-update", "continuation")
_HTTP2_SETTINGS = (
    "enable-push",
    "max-concurrent-streams",
    "initial-window-size",
    "max-frame-size",
    "setting-after-an-unknown-one",
)
_CODES: dict[int, tuple[str, ...]] = {
    _E.H3_STREAM_CREATION_ERROR: (
        "rfc9114/6.1/server-initiated-bidirectional-stream",
        "rfc9114/6.2.1/second-control-stream",
        "rfc9114/6.2.2/push-stream-from-client",
        "rfc9204/4.2/second-encoder-stream",
        "rfc9204/4.2/second-decoder-stream",
    ),
    _E.H3_CLOSED_CRITICAL_STREAM: (
        "rfc9114/6.2.1/control-stream-ends",
        "rfc9114/6.2.1/control-stream-is-reset",
        "rfc9114/6.2.1/control-stream-is-stopped",
        "rfc9204/4.2/encoder-stream-ends",
        "rfc9204/4.2/decoder-stream-ends",
        "rfc9204/4.2/encoder-stream-is-reset",
        "rfc9204/4.2/decoder-stream-is-reset",
        "rfc9204/4.2/encoder-stream-ends-inside-an-instruction",
    ),
    _E.H3_FRAME_UNEXPECTED: (
        "rfc9114/4.1/data-before-headers",
        "rfc9114/4.1/headers-after-trailers",
        "rfc9114/4.1/data-after-trailers",
        "rfc9114/4.1/goaway-on-request-stream",
        "rfc9114/7.2.1/data-on-control-stream",
        "rfc9114/7.2.2/headers-on-control-stream",
        "rfc9114/7.2.3/cancel-push-on-request-stream",
        "rfc9114/7.2.4/settings-on-request-stream",
        "rfc9114/7.2.4/second-settings",
        "rfc9114/7.2.5/push-promise-on-request-stream",
        "rfc9114/7.2.5/push-promise-on-control-stream",
        "rfc9114/7.2.6/goaway-on-request-stream",
        "rfc9114/7.2.7/max-push-id-on-request-stream",
        "rfc9114/7.2.7/max-push-id-on-control-stream",
        *(f"rfc9114/7.2.8/http2-{name}-on-control-stream" for name in _HTTP2_FRAMES),
        *(f"rfc9114/7.2.8/http2-{name}-on-request-stream" for name in _HTTP2_FRAMES),
    ),
    _E.H3_FRAME_ERROR: (
        "rfc9114/7.1/goaway-with-more-bytes",
        "rfc9114/7.1/cancel-push-with-more-bytes",
        "rfc9114/7.1/max-push-id-with-more-bytes",
        "rfc9114/7.1/goaway-without-identifier",
        "rfc9114/7.1/cancel-push-without-identifier",
        "rfc9114/7.1/max-push-id-without-identifier",
        "rfc9114/7.1/settings-end-inside-a-setting",
        "rfc9114/7.1/stream-ends-inside-data",
        "rfc9114/7.1/stream-ends-inside-headers",
    ),
    _E.H3_ID_ERROR: (
        "rfc9114/4.6/push-stream-that-is-not-permitted",
        "rfc9114/5.2/goaway-identifier-grows",
        "rfc9114/7.2.3/cancel-push-of-an-unknown-push",
        "rfc9114/7.2.5/push-promise-that-is-not-permitted",
        "rfc9114/7.2.6/goaway-with-another-type-of-stream",
        "rfc9114/7.2.7/max-push-id-shrinks",
    ),
    _E.H3_SETTINGS_ERROR: tuple(f"rfc9114/7.2.4.1/http2-{name}" for name in _HTTP2_SETTINGS),
    _E.H3_MISSING_SETTINGS: (
        "rfc9114/6.2.1/first-frame-is-not-settings",
        "rfc9114/9/unknown-first-frame-on-control-stream",
    ),
    _E.QPACK_DECOMPRESSION_FAILED: (
        "rfc9204/2.1.2/too-many-blocked-streams",
        "rfc9204/2.2.3/reference-without-required-insert-count",
        "rfc9204/2.2.3/reference-to-an-evicted-entry",
        "rfc9204/3.1/field-line-beyond-static-table",
        "rfc9204/4.5.1.1/impossible-required-insert-count",
        "rfc9204/4.5.1.2/negative-base",
    ),
    _E.QPACK_ENCODER_STREAM_ERROR: (
        "rfc9204/2.2.3/instruction-refers-to-an-evicted-entry",
        "rfc9204/2.2.3/instruction-without-dynamic-table",
        "rfc9204/3.1/instruction-beyond-static-table",
        "rfc9204/3.2.2/entry-larger-than-the-table",
        "rfc9204/4.3.1/capacity-beyond-the-limit",
    ),
    _E.QPACK_DECODER_STREAM_ERROR: (
        "rfc9204/4.4.1/acknowledgment-of-a-static-section",
        "rfc9204/4.4.1/acknowledgment-for-an-unknown-stream",
        "rfc9204/4.4.3/increment-of-zero",
        "rfc9204/4.4.3/increment-beyond-what-was-sent",
    ),
}
"""Cases by the error code that their saboteur ignores."""

SABOTEURS: dict[str, Saboteur] = {
    case: ignores(code) for code, cases in _CODES.items() for case in cases
} | {
    "rfc9114/4.1/interim-response": refuses(lambda fields: fields.get(b":status") == b"103"),
    "rfc9114/4.1/request-is-stopped-without-error": closes_at(
        lambda event: isinstance(event, StopSendingReceived)
    ),
    "rfc9114/4.1/stream-ends-with-message": sends(_no_end),
    "rfc9114/4.1.1/cancelled-message": closes_at(_is_reset_of_request),
    "rfc9114/4.1.2/content-length-too-small": reads(_without(b"content-length")),
    "rfc9114/4.1.2/content-length-too-large": reads(_without(b"content-length")),
    "rfc9114/4.2/uppercase-field-name": reads(_lower),
    **{
        f"rfc9114/4.2/{name}-field": reads(_without(name.encode()))
        for name in (
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
            "te",
        )
    },
    "rfc9114/4.2/te-trailers": refuses(lambda fields: b"te" in fields),
    "rfc9114/4.3/unknown-pseudo-header": reads(_without(b":foo")),
    "rfc9114/4.3/status-in-request": reads(_request_without_status),
    "rfc9114/4.3/path-in-response": reads(_response_without_path),
    "rfc9114/4.3/pseudo-header-after-field": reads(_pseudo_first),
    "rfc9114/4.3/status-after-field": reads(_pseudo_first),
    "rfc9114/4.3/pseudo-header-in-trailers": reads(_without_trailers),
    "rfc9114/4.3/status-in-trailers": reads(_without_trailers),
    "rfc9114/4.3.1/no-method": reads(_with(b":method", lambda: b"GET")),
    "rfc9114/4.3.1/method-twice": reads(_once),
    "rfc9114/4.3.1/no-scheme": reads(_with(b":scheme", lambda: b"https")),
    "rfc9114/4.3.1/no-path": reads(_with(b":path", _some_file)),
    "rfc9114/4.3.1/empty-path": reads(_with(b":path", _some_file)),
    "rfc9114/4.3.1/no-authority": reads(_with(b":authority", lambda: b"server4")),
    "rfc9114/4.3.1/another-host": reads(_without(b"host")),
    "rfc9114/4.3.1/host-alone": refuses(
        lambda fields: b"host" in fields and b":authority" not in fields
    ),
    "rfc9114/4.3.2/no-status": reads(_status),
    "rfc9114/4.4/connect-with-scheme-and-path": reads(_get),
    "rfc9114/6.2/unknown-stream-type": objects("_receive_stream_data_uni", _opens()),
    "rfc9114/6.2/reset-before-stream-type": closes_at(_is_unidirectional_reset),
    "rfc9114/6.2/end-before-stream-type": closes_at(_is_empty_stream),
    "rfc9114/7.2.4/unknown-setting": objects(
        "_validate_settings", lambda _, settings: 0x2B603743 in settings
    ),
    "rfc9114/7.2.4.2/settings-without-waiting": waits_for_settings,
    "rfc9114/7.2.8/unknown-frame-on-control-stream": objects(
        "_check_control_frame_type", _is_unknown_frame
    ),
    "rfc9114/7.2.8/unknown-frame-on-request-stream": objects(
        "_check_request_or_push_frame_type", _is_unknown_frame
    ),
    "rfc9114/8/unknown-error-code": closes_at(_is_unknown_reset),
    "rfc9114/8/unknown-error-code-on-unknown-stream": closes_at(_is_unknown_reset),
    "rfc9114/10.3/space-in-field-name": reads(_without_character(b" ")),
    "rfc9114/10.3/carriage-return-in-field-value": reads(_without_character(b"\r")),
    "rfc9114/10.3/line-feed-in-field-value": reads(_without_character(b"\n")),
    "rfc9114/10.3/nul-in-field-value": reads(_without_character(b"\0")),
    "rfc9204/3.2/duplicate-entries": objects("_receive_stream_data_uni", _duplicates),
    "rfc9204/3.2.3/no-dynamic-table-without-capacity": sends(_an_instruction),
    "rfc9204/4.1.1/integer-of-62-bits": objects("_decode_headers", _has_large_base),
    "rfc9204/4.2/streams-without-dynamic-table": objects(
        "_receive_stream_data_uni", _opens(StreamType.QPACK_DECODER)
    ),
}
"""By the id of the case whose requirement it breaks."""
