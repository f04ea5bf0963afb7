from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from quicmatrix.runner.console.live import Display
from quicmatrix.runner.printable import printable
from tests.support.golden_run import HOSTILE, golden_run, jobs_of

RUN = golden_run()
JOBS = jobs_of(RUN)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def terminal(height: int = 40) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    console = Console(
        file=file, width=110, height=height, force_terminal=True, _environ={"TERM": "xterm"}
    )
    return console, file


def drawn(display: Display, height: int = 40) -> str:
    """What the display shows now, without colours."""
    file = io.StringIO()
    Console(file=file, width=110, height=height).print(display)
    return file.getvalue()


def test_it_shows_progress_what_runs_and_the_matrix_so_far() -> None:
    clock = Clock()
    display = Display(terminal()[0], clock=clock)
    display.run_started(JOBS, Path("runs/x"))
    display.job_started(JOBS[0])
    display.job_started(JOBS[6])
    clock.now = 26.0
    display.job_finished(RUN.jobs[0])
    text = drawn(display)
    assert "26.0 s, about 5 min 12 s left" in text
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][0] == "1/13"
    assert lines[1] == ["client", "reference", "server", "ngtcp2", "handshake", "26.0", "s"]
    assert lines[2] == ["client", "↓", "server", "→", "reference", "ngtcp2"]
    assert lines[4] == ["reference", "✓H"]


def test_only_so_many_running_jobs_are_named() -> None:
    display = Display(terminal()[0], clock=Clock())
    display.run_started(JOBS, Path("runs/x"))
    for job in JOBS[:12]:
        display.job_started(job)
    assert drawn(display).count("client ") == 8 + 1
    assert "and 4 jobs more" in drawn(display)


def test_a_matrix_that_does_not_fit_waits_for_the_end() -> None:
    display = Display(terminal()[0], clock=Clock())
    display.run_started(JOBS, Path("runs/x"))
    assert "client ↓" in drawn(display)
    assert "client ↓" not in drawn(display, height=4)


def test_before_a_run_there_is_nothing_to_show() -> None:
    assert drawn(Display(terminal()[0], clock=Clock())) == ""


def test_failures_scroll_by_and_hostile_text_does_nothing() -> None:
    console, file = terminal()
    with Display(console, clock=Clock(), debug=True) as display:
        display.run_started(JOBS, Path("runs/x"))
        for job, result in zip(JOBS, RUN.jobs, strict=True):
            display.job_started(job)
            display.job_finished(result)
        display.note(HOSTILE)
        display.run_finished(RUN)
    text = file.getvalue()
    assert "client ngtcp2, server reference: handshakeloss" in text
    assert "the server was ended by SIGSEGV" in text
    assert printable(HOSTILE) in text
    assert "\x1b]0;owned" not in text
    assert "\x1b[2J" not in text
    assert "started client" in text


def test_the_terminal_is_given_back() -> None:
    console, file = terminal()
    with Display(console, clock=Clock()) as display:
        display.run_started(JOBS, Path("runs/x"))
        assert "\x1b[?25l" in file.getvalue()
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")
