from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.runner.bundle.capture import CapturedPacket, read_packets
from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.middlebox.frame import TCP, UDP, Headers
from quicmatrix.runner.network.recording.link_log import (
    Delivered,
    LinkEntry,
    LinkLog,
    read_link_log,
)
from quicmatrix.runner.network.recording.recorder import (
    LEFT_CAPTURE,
    LINK_LOG,
    RIGHT_CAPTURE,
    Recorder,
    Sent,
)

MS = 1_000_000
TO_SERVER, TO_CLIENT = Direction.TO_SERVER, Direction.TO_CLIENT
QUEUE_FULL = Dropped("queue full")


def recording(folder: Path, limit_bytes: int = 1000) -> Recorder:
    return Recorder(
        folder, "simple", 7, limit_bytes=limit_bytes, epoch_ns=5000 * MS, began_ns=90 * MS
    )


def sent(
    direction: Direction,
    number: int | None,
    time_ms: int,
    frame: bytes,
    original_length: int = 0,
    *,
    protocol: int = UDP,
    waiting: int = 0,
) -> Sent:
    found = Headers(len(frame), b"", protocol, 0)
    length = original_length or len(frame)
    return Sent(direction, number, time_ms * MS, frame, length, found, waiting)


def captures(folder: Path) -> tuple[list[CapturedPacket], list[CapturedPacket]]:
    return list(read_packets(folder / LEFT_CAPTURE)), list(read_packets(folder / RIGHT_CAPTURE))


def test_a_delivery_is_in_both_captures_with_its_own_time_and_bytes(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        up = sent(TO_SERVER, 12, 100, b"sent up")
        recorder.delivered(up, 116 * MS, 116_300_000, b"out up", "", duplicate=False)
        down = sent(TO_CLIENT, 3, 120, b"sent down")
        recorder.delivered(down, 136 * MS, 136 * MS, b"out down", "", duplicate=False)
    assert captures(tmp_path) == (
        [
            CapturedPacket(5100 * MS, b"sent up", "#12 delivered after 16.3 ms", 7),
            CapturedPacket(5136 * MS, b"out down", "#3 delivered after 16.0 ms", 8),
        ],
        [
            CapturedPacket(5116_300_000, b"out up", "#12 delivered after 16.3 ms", 6),
            CapturedPacket(5120 * MS, b"sent down", "#3 delivered after 16.0 ms", 9),
        ],
    )
    assert recorder.forwarded == {TO_CLIENT: 1, TO_SERVER: 1}
    assert recorder.lateness.summary().worst == 0.3


def test_a_drop_is_in_the_senders_capture_only(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        recorder.dropped(sent(TO_CLIENT, 13, 1, b"lost", 9000), QUEUE_FULL)
    expected = CapturedPacket(5001 * MS, b"lost", "#13 dropped: queue full", 9000)
    assert captures(tmp_path) == ([], [expected])
    assert recorder.drops == 1


def test_a_second_copy_is_in_the_far_capture_only(tmp_path: Path) -> None:
    packet = sent(TO_SERVER, None, 0, b"in")
    with recording(tmp_path) as recorder:
        recorder.delivered(packet, MS, MS, b"one", "byte 3 changed", duplicate=False)
        recorder.delivered(packet, MS, MS, b"two", "", duplicate=True)
    left, right = captures(tmp_path)
    assert [one.comment for one in left] == ["delivered after 1.0 ms, byte 3 changed"]
    assert [(one.frame, one.comment) for one in right] == [
        (b"one", "delivered after 1.0 ms, byte 3 changed"),
        (b"two", "again delivered after 1.0 ms"),
    ]


def test_of_tcp_just_the_headers_are_captured(tmp_path: Path) -> None:
    frame = bytes(range(256)) * 5
    with recording(tmp_path, 10_000) as recorder:
        recorder.delivered(
            sent(TO_CLIENT, None, 0, frame, protocol=TCP), 0, 0, frame, "", duplicate=False
        )
        recorder.delivered(
            sent(TO_CLIENT, 1, 0, frame, protocol=UDP), 0, 0, frame, "", duplicate=False
        )
    for capture in captures(tmp_path):
        assert [(one.frame, one.original_length) for one in capture] == [
            (frame[:134], 1280),
            (frame, 1280),
        ]


def test_the_link_log_has_all_packets(tmp_path: Path) -> None:
    up = sent(TO_SERVER, 12, 100, b"sent up", waiting=3)
    tcp = sent(TO_CLIENT, None, 80, bytes(900), protocol=TCP, waiting=26)
    with recording(tmp_path, 10_000) as recorder:
        recorder.delivered(up, 116 * MS, 117 * MS, b"out up", "byte 3 changed", duplicate=False)
        recorder.delivered(up, 118 * MS, 118 * MS, b"out up", "", duplicate=True)
        recorder.dropped(tcp, QUEUE_FULL)
    assert read_link_log(tmp_path / LINK_LOG) == LinkLog(
        "simple",
        7,
        5090 * MS,
        (
            LinkEntry(
                *(TO_SERVER, 12, UDP, 10 * MS, 3, 7),
                Delivered(26 * MS, 27 * MS, "byte 3 changed", duplicate=False),
            ),
            LinkEntry(
                *(TO_SERVER, 12, UDP, 10 * MS, 3, 7),
                Delivered(28 * MS, 28 * MS, "", duplicate=True),
            ),
            LinkEntry(TO_CLIENT, None, TCP, -10 * MS, 26, 900, QUEUE_FULL),
        ),
        "",
    )


def test_the_truncated_file_is_named(tmp_path: Path) -> None:
    with recording(tmp_path, 600) as recorder:
        recorder.dropped(sent(TO_SERVER, 1, 0, b""), QUEUE_FULL)
        for _ in range(3):
            recorder.dropped(sent(TO_CLIENT, 1, 0, bytes(100)), QUEUE_FULL)
        assert recorder.truncated == "right capture: limit of 600 bytes reached"
    assert recorder.drops == 4


def test_a_file_that_cannot_be_made_leaves_no_other_open(tmp_path: Path) -> None:
    (tmp_path / LINK_LOG).mkdir()
    with pytest.raises(IsADirectoryError):
        recording(tmp_path)
    assert (tmp_path / LEFT_CAPTURE).exists()
    opened = [str(one.resolve()) for one in Path("/proc/self/fd").iterdir()]
    assert not [path for path in opened if path.startswith(str(tmp_path))]
