from __future__ import annotations

import json
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.layout import TESTER_LOG
from quicmatrix.runner.bundle.tester_log import read_steps
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Step

SENT = {
    "time": 1.5,
    "kind": "stimulus",
    "text": "a frame",
    "datagram": "08d5a20fb0ce895d",
    "packet": "1-RTT",
    "number": 5,
}
STEP = Step(1.5, "stimulus", "a frame", "08d5a20fb0ce895d", "1-RTT", 5)


def written(bundle: Path, *lines: str) -> tuple[Step, ...]:
    (bundle / "client").mkdir()
    (bundle / "client" / TESTER_LOG).write_text("".join(lines))
    return read_steps(bundle, Side.CLIENT)


def test_a_line_is_a_step(tmp_path: Path) -> None:
    lines = [json.dumps(SENT) + "\n", '{"time": 2, "kind": "done"}\n']
    assert written(tmp_path, *lines) == (STEP, Step(2.0, "done"))


def test_a_tester_that_never_started_has_none(tmp_path: Path) -> None:
    assert read_steps(tmp_path, Side.SERVER) == ()


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"time": "soon", "kind": "sent"}', "\0", '{"time":1}']
)
def test_a_damaged_line_ends_them_and_is_our_failure(line: str, tmp_path: Path) -> None:
    first, failed = written(tmp_path, json.dumps(SENT) + "\n", line + "\n", json.dumps(SENT))
    assert first == STEP
    assert failed.kind == "failed"
    assert failed.text.startswith("line 2 of tester.jsonl is damaged: ")


def test_what_is_no_file_is_our_failure_too(tmp_path: Path) -> None:
    (tmp_path / "client" / TESTER_LOG).mkdir(parents=True)
    assert [step.kind for step in read_steps(tmp_path, Side.CLIENT)] == ["failed"]
