from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from quicmatrix.runner.console.lines import Lines
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.printable import printable
from tests.support.golden_run import HOSTILE, golden_run, jobs_of, plan_of

RUN = golden_run()


def printed(*, debug: bool = False) -> list[str]:
    file = io.StringIO()
    lines = Lines(Console(file=file, width=60), debug=debug)
    lines.run_started(plan_of(RUN), Path("runs/x"))
    for planned, result in zip(jobs_of(RUN), RUN.jobs, strict=True):
        lines.job_started(planned)
        lines.job_finished(result)
    lines.note(HOSTILE)
    lines.run_finished(RUN)
    return file.getvalue().splitlines()


def test_each_attempt_is_one_line_that_names_both_sides_and_none_is_wrapped() -> None:
    lines = printed()
    assert lines[0] == "14 attempts, stored in runs/x"
    words = " ".join(lines[1].split())
    assert words == "[ 1/14] passed client reference server reference handshake 1.2 s"
    ends = [line for line in lines if line.startswith("[")]
    assert len(ends) == 14
    assert len({line.index("server") for line in ends}) == 1


def test_what_needs_attention_says_why_at_once() -> None:
    lines = printed()
    at = next(i for i, line in enumerate(lines) if "timeout" in line)
    assert "handshakeloss #2" in lines[at]
    assert lines[at + 1].strip() == "the client was not done after 300 s"


def test_what_does_not_need_it_is_one_line() -> None:
    lines = printed()
    at = next(i for i, line in enumerate(lines) if "unsupported" in line)
    assert lines[at + 1].startswith("[")


def test_no_control_characters_and_no_markup_get_through() -> None:
    lines = printed()
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == f"note: {printable(HOSTILE)}"
    assert "[bold red]x[/]" in lines[-1]


def test_debug_tells_of_starts() -> None:
    assert not [line for line in printed() if line.startswith("started")]
    starts = [line for line in printed(debug=True) if line.startswith("started")]
    assert starts[0] == "started client reference, server reference: handshake, seed 42"
    assert len(starts) == 14


def test_another_attempt_is_a_line_more_and_a_metric_stands_at_its_end() -> None:
    file = io.StringIO()
    lines = Lines(Console(file=file, width=60))
    (planned, *_), first = jobs_of(RUN), RUN.jobs[0]
    lines.run_started(replace(plan_of(RUN), jobs=(planned,)), Path("runs/x"))
    lines.job_started(planned)
    lines.job_finished(first)
    lines.job_started(planned.again())
    sample = Sample(9104.4, doubt="machine too busy: p99 lateness 4.0 ms")
    lines.job_finished(replace(first, attempt=2, sample=sample))
    printed = file.getvalue().splitlines()
    assert printed[1].startswith("[1/1] passed")
    assert printed[2].startswith("[2/2] passed")
    assert "handshake (attempt 2)" in printed[2]
    assert printed[2].endswith("9104 kbps")
    assert printed[3].strip() == "unreliable: machine too busy: p99 lateness 4.0 ms"
