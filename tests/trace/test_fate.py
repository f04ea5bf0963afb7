from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.bundle.capture import read_packets
from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.middlebox.frame import UDP, Headers
from quicmatrix.runner.network.recording.recorder import (
    LEFT_CAPTURE,
    RIGHT_CAPTURE,
    Recorder,
    Sent,
)
from quicmatrix.runner.trace.fate import fate_text, parse_fate
from quicmatrix.runner.trace.model import Fate

MS = 1_000_000
printed = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=40
)
numbers = st.integers(1, 10**9)


@pytest.mark.parametrize(
    ("comment", "expected", "corrupted"),
    [
        ("#12 delivered after 15.1 ms", Fate(12, delay_ms=15.1), False),
        ("#3 dropped: queue full", Fate(3, "queue full"), False),
        (
            "#7 delivered after 16.0 ms, byte 4 changed from 0x00 to 0x2a",
            Fate(7, delay_ms=16.0, change="byte 4 changed from 0x00 to 0x2a"),
            True,
        ),
        (
            "#7 again delivered after 16.0 ms, source now 193.167.0.7:50000",
            Fate(7, delay_ms=16.0, change="source now 193.167.0.7:50000", duplicate=True),
            False,
        ),
    ],
)
def test_comments_of_bundles_that_exist(comment: str, expected: Fate, *, corrupted: bool) -> None:
    found = parse_fate(comment)
    assert found == expected
    assert found.corrupted is corrupted
    assert fate_text(found) == comment


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "#12",
        "a nice datagram",
        "#12 delivered after all",
        "delivered after 1.0 ms",
        "#1 dropped: ",
    ],
)
def test_other_comments_state_no_fate(comment: str) -> None:
    assert parse_fate(comment) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@given(
    number=numbers,
    delay_ns=st.integers(0, 10**13),
    change=st.just("") | printed,
    duplicate=st.booleans(),
)
def test_a_recorded_delivery_is_parsed(
    folder: Path, number: int, delay_ns: int, change: str, *, duplicate: bool
) -> None:
    with recording(folder) as recorder:
        recorder.delivered(sent(number), 0, delay_ns, b"", change, duplicate=duplicate)
    (packet,) = read_packets(folder / RIGHT_CAPTURE)
    fate = parse_fate(packet.comment)
    assert fate == Fate(number, "", round(delay_ns / MS, 1), change, duplicate)
    assert fate_text(fate) == packet.comment


@given(numbers, printed)
def test_a_recorded_drop_is_parsed(folder: Path, number: int, reason: str) -> None:
    with recording(folder) as recorder:
        recorder.dropped(sent(number), Dropped(reason))
    (packet,) = read_packets(folder / LEFT_CAPTURE)
    fate = parse_fate(packet.comment)
    assert fate == Fate(number, reason)
    assert fate_text(fate) == packet.comment


def recording(folder: Path) -> Recorder:
    return Recorder(folder, "simple", 7, limit_bytes=10_000, epoch_ns=0, began_ns=0)


def sent(number: int) -> Sent:
    return Sent(Direction.TO_SERVER, number, 0, b"", 0, Headers(0, b"", UDP, 0), 0)
