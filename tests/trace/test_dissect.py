from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.trace.dissect import MAX_FRAMES, dissect, dissect_now
from quicmatrix.runner.trace.model import Side
from tests.support.quic_traffic import Link

pytestmark = pytest.mark.tshark


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    link = Link(retry=True)
    link.connect()
    link.run(0.2)
    link.request()
    link.close()
    return link.write(tmp_path / "link.pcapng")


def test_the_frames_that_are_asked_for(capture: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = dissect_now(capture, [3, 1, 1, 999])
    assert sorted(texts) == [1, 3]
    assert "Handshake Protocol: Client Hello" in texts[1]
    assert "Token: " in texts[3]
    assert "\x1b" not in texts[1]
    assert caplog.records == []


def test_it_is_decrypted(capture: Path) -> None:
    assert "Certificate" in dissect_now(capture, [4])[4]


def test_in_a_running_event_loop(capture: Path) -> None:
    assert sorted(asyncio.run(dissect(capture, {2}))) == [2]


def test_nothing_is_asked_for(capture: Path) -> None:
    assert dissect_now(capture, []) == {}


def test_not_too_many(capture: Path) -> None:
    assert 1 not in dissect_now(capture, range(1 - MAX_FRAMES, 10))


def test_a_damaged_capture(tmp_path: Path) -> None:
    link = Link()
    link.connect()
    link.run(0.2)
    path = tmp_path / "cut.pcapng"
    path.write_bytes(link.capture(Side.CLIENT)[:-10])
    assert sorted(dissect_now(path, [1, 99])) == [1]
    path.write_bytes(b"garbage" * 10)
    assert dissect_now(path, [1]) == {}


def test_no_tshark(capture: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="not installed"):
        dissect_now(capture, [1])


def test_no_capture(tmp_path: Path) -> None:
    assert dissect_now(tmp_path / "none.pcapng", [1]) == {}
