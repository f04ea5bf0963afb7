from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.frames import parse_payload
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

TOKEN = bytes(range(16))

FRAMES: list[tuple[bytes, Frame]] = [
    (b"\x01", Ping()),
    (b"\x02\x0a\x05\x00\x02", Ack(10, 5, ((8, 10),))),
    # Gap and range are one less than the packets that they count (RFC 9000, 19.3.1).
    (b"\x02\x14\x05\x02\x02\x00\x01\x03\x04", Ack(20, 5, ((18, 20), (15, 16), (6, 10)))),
    (b"\x03\x01\x00\x00\x01\x07\x08\x09", Ack(1, 0, ((0, 1),), EcnCounts(7, 8, 9))),
    (b"\x04\x01\x02\x03", ResetStream(1, 2, 3)),
    (b"\x05\x01\x02", StopSending(1, 2)),
    (b"\x06\x40\x64\x03abc", Crypto(100, 3, b"abc")),
    (b"\x07\x02ab", NewToken(b"ab")),
    (b"\x0a\x04\x02ab", Stream(4, 0, 2, fin=False, data=b"ab")),
    (b"\x0f\x04\x40\x80\x14" + b"x" * 20, Stream(4, 128, 20, fin=True, data=b"x" * 16)),
    (b"\x10\x40\x80", MaxData(128)),
    (b"\x11\x04\x40\x80", MaxStreamData(4, 128)),
    (b"\x12\x05", MaxStreams(5, bidirectional=True)),
    (b"\x13\x05", MaxStreams(5, bidirectional=False)),
    (b"\x14\x05", DataBlocked(5)),
    (b"\x15\x04\x05", StreamDataBlocked(4, 5)),
    (b"\x16\x05", StreamsBlocked(5, bidirectional=True)),
    (b"\x17\x05", StreamsBlocked(5, bidirectional=False)),
    (b"\x18\x02\x01\x03cid" + TOKEN, NewConnectionId(2, 1, b"cid", TOKEN)),
    (b"\x19\x02", RetireConnectionId(2)),
    (b"\x1a12345678", PathChallenge(b"12345678")),
    (b"\x1b12345678", PathResponse(b"12345678")),
    (b"\x1c\x0a\x06\x02no", ConnectionClose(10, 6, "no", application=False)),
    (b"\x1d\x41\x00\x00", ConnectionClose(256, None, "", application=True)),
    (b"\x1e", HandshakeDone()),
    (b"\x31\x02ab", DatagramFrame(2)),
    (b"\x40\xaf\x01\x02\x03\x04", UnknownFrame(0xAF)),
]
LAST: list[tuple[bytes, Frame]] = [
    (b"\x08\x04abc", Stream(4, 0, 3, fin=False, data=b"abc")),
    (b"\x0d\x04\x07abc", Stream(4, 7, 3, fin=True, data=b"abc")),
    (b"\x30abc", DatagramFrame(3)),
]


@pytest.mark.parametrize(
    ("offset", "stream_bytes", "kept"), [(0, 100, 100), (70, 100, 30), (90, 100, 16), (0, 4, 16)]
)
def test_bytes_of_a_stream(offset: int, stream_bytes: int, kept: int) -> None:
    data = bytes(range(200))
    encoded = b"\x0e\x04" + bytes([0x40, offset]) + b"\x40\xc8" + data
    (frame,) = parse_payload(encoded, stream_bytes).frames
    assert frame == Stream(4, offset, 200, fin=False, data=data[:kept])


@pytest.mark.parametrize(("encoded", "frame"), FRAMES + LAST)
def test_frame(encoded: bytes, frame: Frame) -> None:
    payload = parse_payload(encoded)
    assert payload.frames == (frame,)
    assert (payload.padding, payload.unread) == (0, "")


def test_frames_stay_apart_and_padding_is_counted() -> None:
    payload = parse_payload(b"\0".join(encoded for encoded, _ in FRAMES) + bytes(100))
    assert payload.frames == tuple(frame for _, frame in FRAMES)
    assert payload.padding == len(FRAMES) - 1 + 100
    assert not payload.unread


@pytest.mark.parametrize(("encoded", "frame"), FRAMES)
def test_a_frame_that_is_cut_off_hides_the_rest(encoded: bytes, frame: Frame) -> None:
    for end in range(1, len(encoded)):
        payload = parse_payload(b"\x01" + encoded[:end])
        assert payload.frames == (Ping(),)
        assert payload.unread.startswith("a frame")


def test_behind_an_unknown_frame_nothing_can_be_read() -> None:
    payload = parse_payload(b"\x01\x21\x01")
    assert payload.frames == (Ping(), UnknownFrame(0x21))
    assert payload.unread == "a frame of type 0x21 is unknown, and so is where it ends"


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x02\x01\x00\x00\x02",  # the first range goes below 0
        b"\x02\x05\x00\x01\x00\x04\x00",  # the gap does
        b"\x02\x05\x00\x80\x00\xff\xff\x00",  # 65,535 ranges
    ],
)
def test_an_impossible_ack(encoded: bytes) -> None:
    payload = parse_payload(encoded)
    assert payload.frames == ()
    assert payload.unread.startswith("a frame of type 0x02: ")


@given(st.binary(max_size=300))
def test_any_payload_is_read_or_says_why_not(data: bytes) -> None:
    payload = parse_payload(data)
    assert payload.padding <= len(data)


@given(st.lists(st.sampled_from(FRAMES)), st.data())
def test_mutated_frames_never_raise(frames: list[tuple[bytes, Frame]], data: st.DataObject) -> None:
    encoded = bytearray(b"".join(each for each, _ in frames))
    for _ in range(data.draw(st.integers(0, 3))):
        if encoded:
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(encoded)))
    assert len(parse_payload(bytes(encoded[:cut])).frames) <= cut
