"""HTTP/3 streams that go on after an error, streams that do not, and peers that do anything."""

from __future__ import annotations

from typing import cast

import pylsqpack
import pytest
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, encode_frame
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.events import QuicEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from quicmatrix.endpoint.http.h3_connection import MOST_SECTION_BYTES, Http3, MessageRefused
from quicmatrix.endpoint.transport.connection import Connection
from tests.support.h3_wire import (
    ANSWER,
    AUTHORITY,
    BLOCKED,
    CONTROL,
    DYNAMIC_TABLE,
    ENCODER,
    GET,
    GREASE,
    HOST,
    INSERT,
    METHOD,
    OK,
    OWN,
    PATH,
    SCHEME,
    SETTINGS,
    TRAILERS,
    Wire,
    begun,
    data,
    fields,
    frame,
    reset,
    stop,
)

# --- Streams that go on, and streams that do not -----------------------------------------------


def pair(role: str) -> tuple[Wire, Http3]:
    wire, h3 = begun(role)
    assert isinstance(h3, Http3)
    return wire, h3


def test_a_malformed_request_ends_its_stream_and_no_other() -> None:
    """RFC 9114, 4.1.2."""
    wire, h3 = pair("server")
    malformed = fields(METHOD, SCHEME, PATH)
    (refused,) = h3.handle_event(data(0, malformed, frame(0, b"content")))
    assert isinstance(refused, MessageRefused)
    assert "Host" in refused.reason
    assert wire.resets == wire.stops == {0: ErrorCode.H3_MESSAGE_ERROR}
    assert h3.handle_event(data(0, GET)) == []
    assert h3.handle_event(data(0, b"\x04\x00", end=True)) == []
    assert h3._refused == set()
    assert [type(event) for event in h3.handle_event(data(4, GET, end=True))] == [HeadersReceived]
    assert wire.closed is None


def test_a_reset_after_a_malformed_request_is_the_end_of_it() -> None:
    wire, h3 = pair("server")
    h3.handle_event(data(0, fields(METHOD)))
    assert h3.handle_event(reset(0)) == []
    assert h3._refused == set()
    assert 0 not in h3._stream
    assert wire.closed is None


def test_a_malformed_request_that_was_blocked_ends_its_stream_and_no_other() -> None:
    wire, h3 = pair("server")
    assert h3.handle_event(data(0, BLOCKED, frame(0, b"content"))) == []
    assert h3.handle_event(data(4, BLOCKED)) == []
    seen = h3.handle_event(data(ENCODER["server"], b"\x02", INSERT))
    assert {event.stream_id for event in seen if isinstance(event, MessageRefused)} == {0, 4}
    assert wire.resets == {0: ErrorCode.H3_MESSAGE_ERROR, 4: ErrorCode.H3_MESSAGE_ERROR}
    assert wire.closed is None


def test_a_request_by_the_dynamic_table_waits_for_it() -> None:
    wire, h3 = pair("server")
    encoder = pylsqpack.Encoder()
    capacity = encoder.apply_settings(4096, 16)
    lines = [METHOD, SCHEME, AUTHORITY, PATH, (b"x-name", b"value")]
    for _ in range(3):
        instructions, section = encoder.encode(0, lines)
        capacity += instructions
    assert h3.handle_event(data(0, frame(1, section), end=True)) == []
    (event,) = h3.handle_event(data(ENCODER["server"], b"\x02", capacity))
    assert isinstance(event, HeadersReceived)
    assert event.headers == lines
    assert wire.sent[OWN["server"][2]] != b"\x03", "no Section Acknowledgment"


def test_host_becomes_the_authority() -> None:
    _, h3 = pair("server")
    (event,) = h3.handle_event(data(0, fields(METHOD, SCHEME, PATH, HOST)))
    assert isinstance(event, HeadersReceived)
    assert dict(event.headers)[b":authority"] == b"server4"


def test_interim_answers_come_before_the_answer() -> None:
    _, h3 = pair("client")
    hints = fields((b":status", b"103"), (b"link", b"</style.css>"))
    seen = h3.handle_event(data(0, hints, hints, ANSWER, frame(0, b"content"), end=True))
    statuses = [
        dict(each.headers)[b":status"] for each in seen if isinstance(each, HeadersReceived)
    ]
    assert statuses == [b"103", b"103", b"200"]
    assert [each.data for each in seen if isinstance(each, DataReceived)] == [b"content"]


def test_a_client_takes_no_pushes_and_says_what_it_takes() -> None:
    wire, h3 = pair("client")
    control, _, _ = OWN["client"]
    sent = wire.sent[control]
    settings = frame(4, sent[3:])
    assert sent == b"\x00" + settings, "SETTINGS and nothing else"
    assert h3.sent_settings == {0x1: 4096, 0x7: 16, 0x6: MOST_SECTION_BYTES, 0x21: 1}


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_stop_that_is_still_in_the_queue_is_seen(role: str) -> None:
    """QUIC has reset our decoder stream already when QPACK wants to write to it."""
    wire, h3 = pair(role)
    wire.stopped_by_peer.add(OWN[role][2])
    assert h3.handle_event(data(0, GET if role == "server" else ANSWER)) == []
    assert wire.closed == ErrorCode.H3_CLOSED_CRITICAL_STREAM
    assert h3.handle_event(stop(OWN[role][2])) == []


def test_an_answer_after_the_encoder_stream_was_stopped_closes_the_connection() -> None:
    wire, h3 = pair("server")
    h3.handle_event(data(0, GET))
    wire.stopped_by_peer.add(OWN["server"][1])
    h3.send_headers(0, [OK])
    assert wire.closed == ErrorCode.H3_CLOSED_CRITICAL_STREAM


def test_an_exception_that_is_nobodys_fault_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire, h3 = pair("server")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(wire, "send_stream_data", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        h3.handle_event(data(0, GET))


def test_many_small_frames_take_no_longer_than_they_are_long() -> None:
    """A second or so, where copying what is left for each of them would take minutes."""
    wire, h3 = pair("server")
    assert h3.handle_event(data(CONTROL["server"], frame(0x21) * 250_000, b"\x21\x05ab")) == []
    assert h3._stream[CONTROL["server"]].buffer == b""
    h3.handle_event(data(CONTROL["server"], b"cde", frame(4)))
    assert wire.closed == ErrorCode.H3_FRAME_UNEXPECTED


# --- Anything at all ---------------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(0, 0x50), st.sampled_from([1 << 14, (1 << 62) - 1]))
FRAMES = st.builds(encode_frame, NUMBERS, st.binary(max_size=12))
LENGTHS = st.builds(lambda *two: b"".join(map(encode_uint_var, two)), NUMBERS, NUMBERS)
KNOWN = st.sampled_from([GET, ANSWER, TRAILERS, BLOCKED, INSERT, DYNAMIC_TABLE, GREASE, frame(4)])
CONTENT = st.lists(st.one_of(st.binary(max_size=20), FRAMES, LENGTHS, KNOWN), max_size=4)
TYPES = st.sampled_from([b"", b"\x00", b"\x01", b"\x02", b"\x03", b"\x40", b"\x40\x54"])
STEPS = st.lists(
    st.tuples(
        st.integers(0, 27),
        st.sampled_from(["data", "data", "data", "end", "reset", "stop"]),
        CONTENT,
        TYPES,
    ),
    max_size=12,
)


@pytest.mark.parametrize("role", ["server", "client"])
@settings(max_examples=500)
@given(steps=STEPS, settings_first=st.booleans())
def test_whatever_a_peer_does_is_an_event_or_an_error_code(
    role: str, steps: list[tuple[int, str, list[bytes], bytes]], settings_first: bool
) -> None:
    wire = Wire(is_client=role == "client")
    h3 = Http3(cast("Connection", wire))
    if role == "client":
        h3.send_headers(0, [METHOD, SCHEME, AUTHORITY, PATH], end_stream=True)
    begun_streams, ended = set(), set()
    if settings_first:
        begun_streams.add(CONTROL[role])
        h3.handle_event(data(CONTROL[role], SETTINGS))
    queue: list[QuicEvent] = []
    for stream_id, kind, content, stream_type in steps:
        if kind == "stop" and stream_id in wire.sent:
            wire.stopped_by_peer.add(stream_id)
            queue.append(stop(stream_id))
        elif stream_id in ended or stream_id in OWN[role]:
            continue  # QUIC would not let this happen
        elif kind == "reset":
            ended.add(stream_id)
            queue.append(reset(stream_id))
        else:
            is_new = stream_id & 2 and stream_id not in begun_streams
            begun_streams.add(stream_id)
            if kind == "end":
                ended.add(stream_id)
            opening = [stream_type] if is_new else []
            queue.append(data(stream_id, *opening, *content, end=kind == "end"))
    for event in queue:
        was_closed = wire.closed is not None
        http_events = h3.handle_event(event)
        assert not (was_closed and http_events), "nothing is delivered after the connection's end"
    for code in (wire.closed, *wire.resets.values(), *wire.stops.values()):
        assert code is None or code in set(ErrorCode)
