from __future__ import annotations

import sys

import pytest

from quicmatrix.runner.console.pulling import Pulling
from quicmatrix.runner.sandbox.docker.pull import Pulled

Capsys = pytest.CaptureFixture[str]


def test_a_file_gets_the_first_word_the_last_and_few_between(capsys: Capsys) -> None:
    now = [0.0]
    tell = Pulling(clock=lambda: now[0])
    for second in range(25):
        now[0] = second
        tell("me/server\x1b", Pulled(2, 0, second * 1_000_000, 30_000_000))
    tell("me/server\x1b", Pulled(2, 2))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "pulling me/server\\x1b: 0 of 2 layers, 0 of 30 MB",
        "pulling me/server\\x1b: 0 of 2 layers, 10 of 30 MB",
        "pulling me/server\\x1b: 0 of 2 layers, 20 of 30 MB",
        "pulling me/server\\x1b: 2 of 2 layers",
    ]


def test_a_terminal_has_one_line_that_is_written_over(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    tell = Pulling(clock=iter(range(9)).__next__)
    tell("a", Pulled(2, 1))
    tell("a", Pulled(2, 2))
    err = capsys.readouterr().err
    assert err.count("\r") == 2
    assert err.endswith("2 of 2 layers\n")
    assert err.count("\n") == 1
