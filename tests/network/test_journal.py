from __future__ import annotations

from pathlib import Path

from runner.network.capture import CapturedPacket, read_packets
from runner.network.fate import Direction
from runner.network.journal import LEFT_CAPTURE, RIGHT_CAPTURE, Journal, Sent

MS = 1_000_000
TO_SERVER, TO_CLIENT = Direction.TO_SERVER, Direction.TO_CLIENT


def captures(folder: Path) -> tuple[list[CapturedPacket], list[CapturedPacket]]:
    return list(read_packets(folder / LEFT_CAPTURE)), list(read_packets(folder / RIGHT_CAPTURE))


def test_a_delivery_is_in_both_captures_with_its_own_time_and_bytes(tmp_path: Path) -> None:
    with Journal(tmp_path, "", 1000, 5000 * MS) as journal:
        up = Sent(TO_SERVER, 12, 100 * MS, b"sent up", 7)
        journal.delivered(up, 116 * MS, 116_300_000, b"out up", "", again=False)
        down = Sent(TO_CLIENT, 3, 120 * MS, b"sent down", 9)
        journal.delivered(down, 136 * MS, 136 * MS, b"out down", "", again=False)
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
    assert journal.forwarded == {TO_CLIENT: 1, TO_SERVER: 1}
    assert journal.lateness.summary().worst == 0.3


def test_a_drop_is_in_the_senders_capture_only(tmp_path: Path) -> None:
    with Journal(tmp_path, "", 1000, 0) as journal:
        journal.not_delivered(Sent(TO_CLIENT, 13, MS, b"lost", 9000), "queue full")
    expected = CapturedPacket(MS, b"lost", "#13 dropped: queue full", 9000)
    assert captures(tmp_path) == ([], [expected])
    assert journal.dropped == 1


def test_a_second_copy_is_in_the_far_capture_only(tmp_path: Path) -> None:
    sent = Sent(TO_SERVER, None, 0, b"in", 2)
    with Journal(tmp_path, "", 1000, 0) as journal:
        journal.delivered(sent, MS, MS, b"one", "byte 3 changed", again=False)
        journal.delivered(sent, MS, MS, b"two", "", again=True)
    left, right = captures(tmp_path)
    assert [one.comment for one in left] == ["delivered after 1.0 ms, byte 3 changed"]
    assert [(one.frame, one.comment) for one in right] == [
        (b"one", "delivered after 1.0 ms, byte 3 changed"),
        (b"two", "again delivered after 1.0 ms"),
    ]


def test_it_says_which_capture_is_incomplete(tmp_path: Path) -> None:
    with Journal(tmp_path, "", 200, 0) as journal:
        journal.not_delivered(Sent(TO_SERVER, 1, 0, b"", 0), "queue full")
        for _ in range(2):
            journal.not_delivered(Sent(TO_CLIENT, 1, 0, bytes(50), 50), "queue full")
        assert journal.truncated == "right capture: limit of 200 bytes reached"
    assert journal.dropped == 3
