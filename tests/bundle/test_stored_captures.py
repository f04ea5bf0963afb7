"""A capture that was cut off, replaced or changed after it was stored is a damaged one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.capture import finish
from quicmatrix.runner.bundle.layout import LEFT_CAPTURE, RIGHT_CAPTURE
from quicmatrix.runner.bundle.stored_captures import damages, record_captures
from quicmatrix.runner.judge.bundle import decode
from quicmatrix.runner.model.attempt import AttemptRecord, LinkRecord
from quicmatrix.runner.network.recording import fate_comment
from quicmatrix.runner.network.recording.capture_writer import CaptureWriter
from quicmatrix.runner.trace.model import Side
from tests.support.capture_damage import STRUCTURAL, flipped, last_packet_is_gone
from tests.support.story import record

NONE = dict.fromkeys(Side, "")
FRAME = bytes(range(60))


def delivered(number: int, *, duplicate: bool = False) -> str:
    return fate_comment.delivered(number, 15.0, "", duplicate=duplicate)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Two datagrams to the server, one of them twice; two to the client, one of them dropped."""
    dropped = fate_comment.dropped(2, "queue full")
    (tmp_path / "sim").mkdir()
    for path, interface, comments in (
        (LEFT_CAPTURE, "left", (delivered(1), delivered(2), delivered(1))),
        (
            RIGHT_CAPTURE,
            "right",
            (delivered(1), delivered(2), delivered(2, duplicate=True), delivered(1), dropped),
        ),
    ):
        raw = tmp_path / "raw"
        with CaptureWriter(raw, interface, "seed: 1", 1 << 20) as writer:
            for number, comment in enumerate(comments):
                writer.write(number, FRAME, comment)
        finish(raw, tmp_path / path, b"CLIENT_RANDOM")
    return tmp_path


def recorded(bundle: Path) -> AttemptRecord:
    link = LinkRecord(forwarded_to_client=1, forwarded_to_server=3, dropped=1)
    return record(link=link, captures=record_captures(bundle))


def old(record: AttemptRecord) -> AttemptRecord:
    """As it was written before attempts recorded hashes."""
    return replace(record, captures=())


def test_captures_as_they_were_stored_are_whole(bundle: Path) -> None:
    assert damages(bundle, recorded(bundle)) == damages(bundle, old(recorded(bundle))) == NONE


@pytest.mark.parametrize("change", STRUCTURAL)
def test_captures_that_are_not_those_of_the_attempt_are_damaged(
    bundle: Path, change: Callable[[Path], None]
) -> None:
    record = recorded(bundle)
    change(bundle)
    assert any(damages(bundle, record).values())
    assert any(damages(bundle, old(record)).values())


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_damage(bundle: Path, seed: int) -> None:
    record = recorded(bundle)
    flipped(1, seed)(bundle)
    assert damages(bundle, record)[Side.SERVER]


def test_counts_say_what_is_missing(bundle: Path) -> None:
    record = old(recorded(bundle))
    last_packet_is_gone(bundle)
    message = "both captures have 7 packets, the middlebox counted 8"
    assert damages(bundle, record) == dict.fromkeys(Side, message)
    known = replace(record, link=replace(record.link, incomplete="limit reached"))
    assert damages(bundle, known) == NONE  # the record says that itself


@pytest.mark.tshark
@pytest.mark.parametrize("change", [*STRUCTURAL, flipped(20)])
def test_damage_reaches_the_trace(bundle: Path, change: Callable[[Path], None]) -> None:
    record = recorded(bundle)
    trace = decode(bundle, record)
    assert (trace.left.damage, trace.right.damage) == ("", "")
    change(bundle)
    trace = decode(bundle, record)
    assert trace.left.damage or trace.right.damage
