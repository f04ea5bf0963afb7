from __future__ import annotations

import io
import statistics
import tracemalloc
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from rich.console import Console

from quicmatrix.runner.console.live import Display
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_files import Plan
from tests.support.conformance_run import GOLDEN
from tests.support.golden_run import HANDSHAKE, HOSTILE, PASSED, golden_run, job, jobs_of, plan_of

RUN = golden_run()
JOBS = jobs_of(RUN)
PLAN = plan_of(RUN)


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
    display.run_started(PLAN, Path("runs/x"))
    display.job_started(JOBS[0])
    display.job_started(JOBS[6])
    clock.now = 26.0
    display.job_finished(RUN.jobs[0])
    text = drawn(display)
    assert "26.0 s, about 5 min 38 s left" in text
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][0] == "1/14"
    assert lines[1] == ["client", "reference", "server", "ngtcp2", "handshake", "26.0", "s"]
    assert lines[2] == ["client", "↓", "server", "→", "reference", "ngtcp2"]
    assert lines[4] == ["reference", "✓H"]


def test_only_so_many_running_jobs_are_named() -> None:
    display = Display(terminal()[0], clock=Clock())
    display.run_started(PLAN, Path("runs/x"))
    for planned in JOBS[:12]:
        display.job_started(planned)
    assert drawn(display).count("client ") == 8 + 1
    assert "and 4 jobs more" in drawn(display)


def test_a_matrix_that_does_not_fit_waits_for_the_end() -> None:
    display = Display(terminal()[0], clock=Clock())
    display.run_started(PLAN, Path("runs/x"))
    assert "client ↓" in drawn(display)
    assert "client ↓" not in drawn(display, height=4)


def test_before_a_run_there_is_nothing_to_show() -> None:
    assert drawn(Display(terminal()[0], clock=Clock())) == ""


def test_failures_scroll_by_and_hostile_text_does_nothing() -> None:
    console, file = terminal()
    with Display(console, clock=Clock(), debug=True) as display:
        display.run_started(PLAN, Path("runs/x"))
        for planned, result in zip(JOBS, RUN.jobs, strict=True):
            display.job_started(planned)
            display.job_finished(result)
        display.note(HOSTILE)
        display.run_finished(RUN)
    text = " ".join(file.getvalue().split())  # it is wrapped, between words
    assert "client ngtcp2, server reference: handshakeloss" in text
    assert "the server was ended by SIGSEGV" in text
    assert printable(HOSTILE) in text
    assert "\x1b]0;owned" not in text
    assert "\x1b[2J" not in text
    assert "started client" in text


def test_no_word_is_cut_at_the_end_of_a_line() -> None:
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=True, color_system=None)
    message = "the link struck all flights and nothing was left of them"
    Display(console, clock=Clock()).note(message)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines).split()) == f"note: {message}"


def test_the_terminal_is_given_back() -> None:
    console, file = terminal()
    with Display(console, clock=Clock()) as display:
        display.run_started(PLAN, Path("runs/x"))
        assert "\x1b[?25l" in file.getvalue()
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")


def large_plan(count: int) -> Plan:
    """So many jobs at one test: 50 clients with as many servers as it takes."""
    names = [f"c{number}" for number in range(50)], [f"s{number}" for number in range(count // 50)]
    jobs = tuple(Job.of(a, b, "handshake", 1) for a in names[0] for b in names[1])
    info = replace(PLAN.run, clients=tuple(names[0]), servers=tuple(names[1]), tests=(HANDSHAKE,))
    return Plan(info, jobs)


def test_an_event_allocates_no_more_after_5000_jobs_than_after_500() -> None:
    plan = large_plan(5_000)
    display = Display(terminal()[0], clock=Clock())
    display.run_started(plan, Path("runs/x"))
    peaks = []
    for planned in plan.jobs:
        result = job(planned.client, planned.server, HANDSHAKE, PASSED)
        tracemalloc.start()
        display.job_started(planned)
        display.job_finished(result)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The median: now and then a dictionary grows.
    assert statistics.median(peaks[-500:]) <= 1.1 * statistics.median(peaks[:500])
    assert "5000/5000" in drawn(display)


def test_a_large_matrix_is_not_drawn_and_a_small_one_only_when_it_changed() -> None:
    for plan, draws in ((large_plan(5_000), 0), (large_plan(500), 2)):
        display = Display(terminal()[0], clock=Clock())
        display.run_started(plan, Path("runs/x"))
        with patch("quicmatrix.runner.console.live.table", return_value="matrix") as table:
            for server in ("s0", "s1"):
                display.job_finished(job("c0", server, HANDSHAKE, PASSED))
                first = drawn(display)
                assert drawn(display) == first
                assert ("matrix" in first) == bool(draws)
        assert table.call_count == draws


def test_a_conformance_run_has_counts_in_place_of_the_matrix() -> None:
    display = Display(terminal()[0], clock=Clock())
    display.run_started(plan_of(GOLDEN), Path("runs/x"))
    for one in GOLDEN.jobs[:4]:
        display.job_finished(one)
    lines = drawn(display).splitlines()
    assert lines[-1].strip() == "✓ 2 passed, ? 1 unsupported, ! 1 nonconformant"
    assert not any("client ↓" in line for line in lines)
