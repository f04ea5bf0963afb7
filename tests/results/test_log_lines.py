from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.model.verdict import Outcome, RecordedViolation, Verdict
from quicmatrix.runner.results.log_lines import LogEnd, ended_badly, last_lines
from quicmatrix.runner.trace.model import Side
from tests.support.golden_run import HELD, TOKEN_LOST


def log(folder: Path, data: bytes) -> Path:
    path = folder / "output.log"
    path.write_bytes(data)
    return path


def test_the_last_lines_and_whether_there_are_others(tmp_path: Path) -> None:
    path = log(tmp_path, b"one\ntwo\nthree\n")
    assert last_lines(path, 2) == LogEnd(("two", "three"), cut=True)
    assert last_lines(path, 3) == LogEnd(("one", "two", "three"), cut=False)
    assert last_lines(log(tmp_path, b""), 3) == LogEnd((), cut=False)
    assert last_lines(tmp_path / "none", 3) is None


def test_what_an_endpoint_wrote_is_cut_and_harmless(tmp_path: Path) -> None:
    end = last_lines(log(tmp_path, b"\x1b[2J\xff" + b"x" * 100_000 + b"\n\x1b[31mend"), 5)
    assert end is not None
    assert end.cut
    assert end.lines[-1] == r"\x1b[31mend"
    assert end.lines[0] == "x" * 240 + " ..."


def test_a_fifo_in_the_place_of_a_log_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "output.log")
    assert last_lines(tmp_path / "output.log", 5) is None


@pytest.mark.parametrize(
    ("requirement", "side", "sides"),
    [
        ("client_exits_with_0", Side.CLIENT, (Side.CLIENT,)),
        ("server_runs_until_it_is_stopped", Side.SERVER, (Side.SERVER,)),
        ("client_repeats_the_token", Side.CLIENT, ()),
    ],
)
def test_whose_log_is_worth_showing(requirement: str, side: Side, sides: tuple[Side, ...]) -> None:
    violated = replace(
        TOKEN_LOST, requirement=requirement, violations=(RecordedViolation("it crashed", side),)
    )
    assert ended_badly(Verdict(Outcome.CRASHED, "", (HELD, violated))) == sides
