"""Reference endpoints that each break one requirement of streams, frames and connection IDs.

A saboteur takes the connection's class and returns another one; it may change a module, since it
runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic.connection import NetworkAddress, QuicConnectionError
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from quicmatrix.endpoint.transport.crypto.keys import UpdatingCryptoPair
from tests.support.saboteurs.model import Class, Saboteur, overlooks
from tests.support.saboteurs.packets import (
    accepts_first_connection_id_alone,
    acknowledges_all_packets,
    acknowledges_gaps,
    acknowledges_handshake_late,
    acknowledges_late,
    acknowledges_thrice,
    answers_update_with_old_keys,
    answers_with_small_datagrams,
    counts_marks_twice,
    gives_up_after,
    marks_for_ever,
    overlooks_reserved_bits,
    processes_duplicates,
    repeats_close_often,
    retires_nothing,
    takes_old_keys,
)

Datagrams = list[tuple[bytes, NetworkAddress]]

_LARGE = 1 << 30
_NEVER = 1 << 62
_STREAM = tuple(range(0x08, 0x10))
_DATAGRAM = (0x30, 0x31)
_ENCODING, _STATE = QuicErrorCode.FRAME_ENCODING_ERROR, QuicErrorCode.STREAM_STATE_ERROR
_LIMIT, _FLOW = QuicErrorCode.STREAM_LIMIT_ERROR, QuicErrorCode.FLOW_CONTROL_ERROR
_VIOLATION = QuicErrorCode.PROTOCOL_VIOLATION


# --- Errors that are overlooked, and errors that are none -------------------------------------


def handles(frame_type: int, handler: Callable[[Any, Any, int, Buffer], None]) -> Saboteur:
    """It handles frames of a type in another way: with the connection and the usual arguments."""

    def make(base: Class) -> Class:
        class Handling(base):  # type: ignore[misc,valid-type]
            def __init__(self, **arguments: Any) -> None:
                super().__init__(**arguments)
                handlers = vars(self)["_QuicConnection__frame_handlers"]
                original, epochs = handlers[frame_type]
                self.original = original

                def handle(context: Any, kind: int, buf: Buffer) -> None:
                    handler(self, context, kind, buf)

                handlers[frame_type] = (handle, epochs)

        return Handling

    return make


def _object(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    raise QuicConnectionError(error_code=_VIOLATION, frame_type=frame_type, reason_phrase="")


def _skip(*sizes: int) -> Callable[[Any, Any, int, Buffer], None]:
    """Read integers, or where a size is given so many bytes, and do nothing."""

    def skip(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
        for size in sizes:
            if size:
                buf.pull_bytes(size)
            else:
                buf.pull_uint_var()

    return skip


def _object_to_most(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    at = buf.tell()
    if buf.pull_uint_var() >= 1 << 60:
        _object(connection, context, frame_type, buf)
    buf.seek(at)
    connection.original(context, frame_type, buf)


def _object_to_repeated(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    at = buf.tell()
    seen = vars(connection).setdefault("seen", set())
    number = buf.pull_uint_var()
    if number in seen:
        _object(connection, context, frame_type, buf)
    seen.add(number)
    buf.seek(at)
    connection.original(context, frame_type, buf)


def _object_to_lower(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    at = buf.tell()
    buf.pull_uint_var()
    prior = buf.pull_uint_var()
    if prior < vars(connection).get("prior", 0):
        _object(connection, context, frame_type, buf)
    vars(connection)["prior"] = prior
    buf.seek(at)
    connection.original(context, frame_type, buf)


def _ignore_close(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    buf.pull_uint_var()
    if frame_type == QuicFrameType.TRANSPORT_CLOSE:
        buf.pull_uint_var()
    buf.pull_bytes(buf.pull_uint_var())


def _take_lower(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    connection._remote_max_data = buf.pull_uint_var()


# --- Streams ----------------------------------------------------------------------------------


def _stream_header(frame_type: int, buf: Buffer) -> tuple[int, int, int]:
    """Stream ID, offset and end of a STREAM frame; the buffer stays where it is."""
    at = buf.tell()
    stream_id = buf.pull_uint_var()
    offset = buf.pull_uint_var() if frame_type & 4 else 0
    length = buf.pull_uint_var() if frame_type & 2 else buf.capacity - buf.tell()
    buf.seek(at)
    return stream_id, offset, offset + length


def _stream_saboteur(refuses: Callable[[Any, int, int, int], bool], *, drops: bool) -> Saboteur:
    """It drops STREAM frames, or closes the connection for them, where it refuses them.

    Args:
        refuses: Given the connection, the stream's ID, and where the data begins and ends.
        drops: What it does.
    """

    def handle(connection: Any, context: Any, frame_type: int, buf: Buffer) -> None:
        stream_id, start, end = _stream_header(frame_type, buf)
        if not refuses(connection, stream_id, start, end):
            connection.original(context, frame_type, buf)
        elif drops:
            _skip(*([0] * ((frame_type & 4) // 4 + 2)), end - start)(connection, context, 0, buf)
        else:
            _object(connection, context, frame_type, buf)

    def make(base: Class) -> Class:
        for frame_type in _STREAM:
            base = handles(frame_type, handle)(base)
        return base

    return make


def _received(connection: Any, stream_id: int) -> int:
    stream = connection._streams.get(stream_id)
    return 0 if stream is None else int(stream.receiver._buffer_start)


def sends_after_reset(base: Class) -> Class:
    """It goes on to send the data of a stream that it has reset."""

    class Sending(base):  # type: ignore[misc,valid-type]
        def _write_reset_stream_frame(self, **named: Any) -> None:
            super()._write_reset_stream_frame(**named)
            named["stream"].sender._reset_error_code = None
            named["stream"].sender.buffer_is_empty = False

    return Sending


def overlooks_limits(base: Class) -> Class:
    """It sends as much, and opens as many streams, as it likes."""

    class Greedy(base):  # type: ignore[misc,valid-type]
        def _parse_transport_parameters(self, *arguments: Any, **named: Any) -> None:
            super()._parse_transport_parameters(*arguments, **named)
            for name in ("data", "stream_data_bidi_local", "stream_data_bidi_remote"):
                setattr(self, f"_remote_max_{name}", _LARGE)
            self._remote_max_streams_bidi = _LARGE

    return Greedy


def renews_no_credit(base: Class) -> Class:
    """It lets its peer send no more than at first."""
    nothing = {
        "_write_connection_limits": lambda self, **named: None,
        "_write_stream_limits": lambda self, **named: None,
    }
    return type("Miserly", (base,), nothing)


# --- The table --------------------------------------------------------------------------------


def _forbidden_frames() -> Iterator[tuple[str, Saboteur]]:
    types = {
        "stream": _STREAM,
        "max-data": (0x10,),
        "new-connection-id": (0x18,),
        "path-challenge": (0x1A,),
        "data-blocked": (0x14,),
        "stream-data-blocked": (0x15,),
        "handshake-done": (0x1E,),
    }
    for name, frame_types in types.items():
        overlooking = overlooks(_VIOLATION, *frame_types)
        yield f"rfc9000/12.4/{name}-in-handshake-packet", overlooking
        if name in ("stream", "handshake-done"):
            yield f"rfc9000/17.2.2/{name}-in-initial-packet", overlooking


SABOTEURS: dict[str, Saboteur] = {
    "rfc9000/2.2/out-of-order": _stream_saboteur(
        lambda connection, stream, start, _: start > _received(connection, stream), drops=True
    ),
    "rfc9000/2.2/end-of-known-data": _stream_saboteur(
        lambda connection, stream, _, end: 0 < end <= _received(connection, stream), drops=True
    ),
    "rfc9000/3.2/higher-stream-first": _stream_saboteur(
        lambda connection, stream, _, __: stream < max(connection._streams, default=0), drops=False
    ),
    "rfc9000/3.2/higher-stream-of-server-first": _stream_saboteur(
        lambda connection, stream, _, __: stream < max(connection._streams, default=0), drops=False
    ),
    "rfc9000/3.3/nothing-after-reset": sends_after_reset,
    "rfc9000/3.5/stop-sending-resets-stream": handles(0x05, _skip(0, 0)),
    "rfc9000/4.1/stream-limit-exceeded": overlooks(_FLOW, *_STREAM),
    "rfc9000/4.1/connection-limit-exceeded": overlooks(_FLOW, *_STREAM),
    "rfc9000/4.1/final-size-beyond-stream-limit": overlooks(_FLOW, 0x04),
    "rfc9000/4.1/final-size-beyond-connection-limit": overlooks(_FLOW, 0x04),
    "rfc9000/4.1/lower-limits": handles(0x10, _take_lower),
    "rfc9000/4.1/data-within-limits": overlooks_limits,
    "rfc9000/4.2/credit-without-blocked-frames": renews_no_credit,
    "rfc9000/4.6/stream-beyond-bidirectional-limit": overlooks(_LIMIT, *_STREAM),
    "rfc9000/4.6/stream-beyond-unidirectional-limit": overlooks(_LIMIT, *_STREAM),
    "rfc9000/4.6/reset-stream-beyond-bidirectional-limit": overlooks(_LIMIT, 0x04),
    "rfc9000/4.6/reset-stream-beyond-unidirectional-limit": overlooks(_LIMIT, 0x04),
    "rfc9000/4.6/stream-data-blocked-beyond-bidirectional-limit": overlooks(_LIMIT, 0x15),
    "rfc9000/4.6/stream-data-blocked-beyond-unidirectional-limit": overlooks(_LIMIT, 0x15),
    "rfc9000/4.6/stop-sending-beyond-bidirectional-limit": overlooks(_LIMIT, 0x05),
    "rfc9000/4.6/max-stream-data-beyond-bidirectional-limit": overlooks(_LIMIT, 0x11),
    "rfc9000/4.6/no-streams-allowed": overlooks_limits,
    "rfc9000/4.6/one-stream-allowed": overlooks_limits,
    "rfc9000/5.1.1/too-many-connection-ids": overlooks(
        QuicErrorCode.CONNECTION_ID_LIMIT_ERROR, 0x18
    ),
    "rfc9000/5.1.1/issued-connection-ids-are-accepted": accepts_first_connection_id_alone,
    "rfc9000/5.1.2/retire-prior-to": retires_nothing,
    "rfc9000/8.2.2/path-challenge-is-answered": handles(0x1A, _skip(8)),
    "rfc9000/8.2.2/path-response-is-expanded": answers_with_small_datagrams,
    "rfc9000/10.2.1/little-is-sent-when-closing": repeats_close_often,
    "rfc9000/10.2.2/draining": handles(0x1C, _ignore_close),
    "rfc9000/10.2.2/unknown-error-code": handles(0x1C, _ignore_close),
    "rfc9000/11.1/truncated-ack-frame": overlooks(_ENCODING, 0x02),
    "rfc9000/11.1/truncated-stream-frame": overlooks(_ENCODING, *_STREAM),
    "rfc9000/12.3/duplicate-packet": processes_duplicates,
    "rfc9000/12.4/unknown-frame-type-of-one-byte": overlooks(_ENCODING, 0x3F),
    "rfc9000/12.4/unknown-frame-type-of-two-bytes": overlooks(_ENCODING, 0x2FFF),
    "rfc9000/12.4/unknown-frame-type-of-eight-bytes": overlooks(_ENCODING, _NEVER - 1),
    "rfc9000/12.4/no-frames": overlooks(_VIOLATION, 0x00),
    "rfc9000/12.4/no-frames-in-handshake-packet": overlooks(_VIOLATION, 0x00),
    **dict(_forbidden_frames()),
    "rfc9000/12.4/application-close-in-handshake-packet": overlooks(_VIOLATION, 0x1D),
    "rfc9000/17.2.2/application-close-in-initial-packet": overlooks(_VIOLATION, 0x1D),
    "rfc9000/13.1/gap-in-packet-numbers": acknowledges_gaps,
    "rfc9000/13.2.1/within-max-ack-delay": acknowledges_late,
    "rfc9000/13.2.1/handshake-packet-at-once": acknowledges_handshake_late,
    "rfc9000/13.2.1/no-ack-of-ack": acknowledges_all_packets,
    "rfc9000/13.2.1/one-ack-for-a-packet": acknowledges_thrice,
    "rfc9000/13.4.1/marks-are-counted": counts_marks_twice,
    "rfc9000/13.4.2/no-counts": marks_for_ever,
    "rfc9000/13.4.2/counts-of-other-mark": marks_for_ever,
    "rfc9000/17.2/reserved-bits-of-handshake-packet": overlooks_reserved_bits(CryptoPair),
    "rfc9000/17.2/reserved-bits-of-initial-packet": overlooks_reserved_bits(CryptoPair),
    "rfc9000/17.3.1/reserved-bits": overlooks_reserved_bits(UpdatingCryptoPair),
    "rfc9000/19.3.1/first-range-below-zero": overlooks(_ENCODING, 0x02),
    "rfc9000/19.3.1/further-range-below-zero": overlooks(_ENCODING, 0x02),
    "rfc9000/19.4/reset-stream-on-send-only-stream": overlooks(_STATE, 0x04),
    "rfc9000/19.5/stop-sending-on-stream-not-created": overlooks(_STATE, 0x05),
    "rfc9000/19.5/stop-sending-on-receive-only-stream": overlooks(_STATE, 0x05),
    "rfc9000/19.6/crypto-beyond-largest-offset": overlooks(_ENCODING, 0x06),
    "rfc9000/19.7/new-token-to-server": overlooks(_VIOLATION, 0x07),
    "rfc9000/19.7/empty-token": overlooks(_ENCODING, 0x07),
    "rfc9000/19.8/stream-on-send-only-stream": overlooks(_STATE, *_STREAM),
    "rfc9000/19.8/stream-not-created": overlooks(_STATE, *_STREAM),
    "rfc9000/19.8/beyond-largest-offset": overlooks(_ENCODING, *_STREAM),
    "rfc9000/19.10/max-stream-data-on-receive-only-stream": overlooks(_STATE, 0x11),
    "rfc9000/19.10/max-stream-data-on-stream-not-created": overlooks(_STATE, 0x11),
    "rfc9000/19.11/max-streams-bidirectional-too-many": overlooks(_ENCODING, 0x12),
    "rfc9000/19.11/max-streams-unidirectional-too-many": overlooks(_ENCODING, 0x13),
    "rfc9000/19.11/max-streams-bidirectional-most": handles(0x12, _object_to_most),
    "rfc9000/19.11/max-streams-unidirectional-most": handles(0x13, _object_to_most),
    "rfc9000/19.11/max-streams-bidirectional-lower": handles(0x12, _object),
    "rfc9000/19.11/max-streams-unidirectional-lower": handles(0x13, _object),
    "rfc9000/19.13/stream-data-blocked-on-send-only-stream": overlooks(_STATE, 0x15),
    "rfc9000/19.14/streams-blocked-bidirectional-too-many": overlooks(_ENCODING, 0x16),
    "rfc9000/19.14/streams-blocked-unidirectional-too-many": overlooks(_ENCODING, 0x17),
    "rfc9000/19.15/late-connection-id": retires_nothing,
    "rfc9000/19.15/connection-id-of-0-bytes": overlooks(_ENCODING, 0x18),
    "rfc9000/19.15/connection-id-of-21-bytes": overlooks(_ENCODING, 0x18),
    "rfc9000/19.15/retire-prior-to-beyond-sequence-number": overlooks(_ENCODING, 0x18),
    "rfc9000/19.15/lower-retire-prior-to": handles(0x18, _object_to_lower),
    "rfc9000/19.15/same-frame-again": handles(0x18, _object_to_repeated),
    "rfc9000/19.15/new-connection-id-of-peer-without": overlooks(_VIOLATION, 0x18),
    "rfc9000/19.16/connection-id-never-issued": overlooks(_VIOLATION, 0x19),
    "rfc9000/19.20/handshake-done-to-server": overlooks(_VIOLATION, 0x1E),
    "rfc9001/5.5/corrupt-packet": gives_up_after(1),
    "rfc9001/6.2/update-is-answered": answers_update_with_old_keys,
    "rfc9001/6.4/old-keys-after-new-ones": takes_old_keys,
    "rfc9001/6.6/forged-packets": gives_up_after(20),
    "rfc9221/3/datagram-not-announced": overlooks(_VIOLATION, *_DATAGRAM),
}
"""The saboteur of each case that can be violated, by the case's id."""
