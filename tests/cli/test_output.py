from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.cli import main
from quicmatrix.runner.cli.output import Writer

QUICMATRIX = Path(sys.executable).with_name("quicmatrix")


@pytest.mark.parametrize("words", [["--help"], ["list", "tests"], ["list", "tests", "--json"]])
def test_an_output_that_is_full_is_one_sentence_and_a_hint(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [QUICMATRIX, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: not all output could be written: No space left on device",
        "hint: give it another place to write to",
    ]


def test_a_reader_that_is_gone_is_one_too() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [QUICMATRIX, "list", "tests"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 2
    assert done.stderr.startswith("error: not all output could be written: Broken pipe\n")


def test_without_standard_error_the_exit_code_tells() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([QUICMATRIX, "frobnicate"], stderr=full, check=False)
    assert done.returncode == 2


def written(text: str, encoding: str) -> bytes:
    under = io.BytesIO()
    stream = io.TextIOWrapper(under, encoding=encoding)
    Writer(stream).write(text)
    return under.getvalue()


def test_marks_that_a_character_set_lacks_have_the_same_width() -> None:
    marks = "✓!✕†…⊘≈? client ↓ server →"
    assert written(marks, "utf-8") == marks.encode()
    assert written(marks, "ascii") == b"+!x#.0~? client v server >"
    assert written("é", "ascii") == rb"\xe9"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_that_may_not_be_read_is_wrong_use(
    wrapped: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error: Exception = PermissionError(13, "Permission denied", str(tmp_path / "attempt.json"))

    def refuse(*_: object) -> bool:
        raise ExceptionGroup("tasks", [error]) if wrapped else error

    monkeypatch.setattr(Path, "is_file", refuse)
    assert main(["judge", str(tmp_path)]) == 2
    said, hint = capsys.readouterr().err.splitlines()
    assert said == f"error: {tmp_path}/attempt.json: Permission denied"
    assert hint.startswith("hint: give yourself access")


def test_a_disk_that_is_full_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> bool:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(Path, "is_file", refuse)
    assert main(["judge", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: x: No space left on device\nhint: make room")
