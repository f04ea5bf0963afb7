"""What index.html shows, worked out of a result: the template only lays it out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quicmatrix.reports.html.chart import Chart, charts
from quicmatrix.runner.model.measurement import Series
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.matrix import (
    Cell,
    Figure,
    Remark,
    counts,
    matrix,
    needs_attention,
    remarks,
)
from quicmatrix.runner.results.store import JobResult, RunResult, TestInfo, settled


@dataclass(frozen=True, slots=True)
class Share:
    """One stretch of the bar that shows how the attempts ended; positions in per cent."""

    outcome: Outcome
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class TestLine:
    """A test, and how it went over all pairs."""

    __test__ = False

    test: TestInfo
    passed: int
    attempted: int
    worst: Outcome | None
    """None if nobody tried."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a measurement."""

    job: JobResult
    """Its last attempt."""
    chart: Chart | None
    """None if there is nothing to draw."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a client and a server reached in a measurement."""

    cell: Cell
    figure: Figure | None
    """None if no repetition made a sample."""
    repetitions: tuple[Repetition, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All of it."""

    headline: str
    shares: tuple[Share, ...]
    cells: dict[tuple[str, str], dict[str, Cell]]
    """By (client, server), then by letter."""
    attention: tuple[JobResult, ...]
    """What needs it, in the matrix's order."""
    jobs: tuple[JobResult, ...]
    """All of them, in the matrix's order."""
    remarks: tuple[Remark, ...]
    tests: tuple[TestLine, ...]
    repeated: bool
    """Whether any job was done more than once."""
    retried: bool
    """Whether any repetition was attempted more than once."""
    measured: tuple[Measured, ...]
    flaky: tuple[Cell, ...]
    """Those whose attempts do not agree."""


def page(result: RunResult, series: Mapping[str, Series]) -> Page:
    """Work it out; the courses of transfers are found by their bundles' folders."""
    letters = [test.letter for test in result.tests]
    pairs = matrix(result.jobs, letters)
    ordered = _in_order(result, pairs)
    attention = tuple(job for job in ordered if needs_attention(job.verdict.outcome))
    measurements = {test.letter for test in result.tests if test.is_measurement}
    cells = [cell for pair in pairs.values() for cell in pair]
    return Page(
        headline=_headline(result, sum(cell.flaky for cell in cells)),
        shares=_shares(result.jobs),
        cells={pair: {cell.letter: cell for cell in row} for pair, row in pairs.items()},
        attention=attention,
        jobs=ordered,
        remarks=remarks(ordered),
        tests=tuple(_test_line(test, cells) for test in result.tests),
        repeated=any(job.repetition > 1 for job in result.jobs),
        retried=any(job.attempt > 1 for job in result.jobs),
        measured=tuple(_measured(cell, series) for cell in cells if cell.letter in measurements),
        flaky=tuple(cell for cell in cells if cell.flaky),
    )


def anchor(job: JobResult) -> str:
    """The id of a job's place on the page: the same in every run, and harmless in a URL."""
    words = [job.client, job.server, job.letter, str(job.repetition)]
    words += [] if job.attempt == 1 else [f"attempt-{job.attempt}"]
    return "_".join(re.sub(r"[^A-Za-z0-9.+-]", "-", word) for word in words)


def wireshark_filter(frames: Sequence[int]) -> str:
    """A display filter that shows those frames; empty if there are none."""
    if len(frames) == 1:
        return f"frame.number == {frames[0]}"
    return f"frame.number in {{{', '.join(map(str, frames))}}}" if frames else ""


def _measured(cell: Cell, series: Mapping[str, Series]) -> Measured:
    repetitions = settled(cell.attempts)
    known = [job.folder for job in repetitions if job.folder in series]
    drawn = dict(zip(known, charts([series[folder] for folder in known]), strict=True))
    return Measured(
        cell,
        cell.figure,
        tuple(Repetition(job, drawn.get(job.folder)) for job in repetitions),
    )


def _headline(result: RunResult, flaky: int) -> str:
    jobs = settled(result.jobs)
    done = len(jobs)
    attention = sum(needs_attention(job.verdict.outcome) for job in jobs)
    attempts = "attempt" if done == 1 else "attempts"
    if not done:
        return "Nothing was run"
    if attention:
        needs = "needs" if attention == 1 else "need"
        return f"{attention} of {done} {attempts} {needs} attention"
    if len(jobs) < len(result.jobs):
        are = "is" if flaky == 1 else "are"
        return f"Nothing failed in the end, but {flaky} of {done} {are} flaky"
    if all(job.verdict.outcome is Outcome.PASSED for job in result.jobs):
        return "The attempt passed" if done == 1 else f"All {done} attempts passed"
    return "Nothing needs attention"


def _shares(jobs: Iterable[JobResult]) -> tuple[Share, ...]:
    counted = counts(jobs)
    total = sum(counted.values())
    shares: list[Share] = []
    start = 0.0
    for outcome, count in counted.items():
        width = 100 * count / total
        shares.append(Share(outcome, count, start, width))
        start += width
    return tuple(shares)


def _in_order(
    result: RunResult, pairs: dict[tuple[str, str], tuple[Cell, ...]]
) -> tuple[JobResult, ...]:
    keys = [(client, server) for client in result.clients for server in result.servers]
    keys += [key for key in pairs if key not in set(keys)]
    return tuple(job for key in keys for cell in pairs.get(key, ()) for job in cell.attempts)


def _test_line(test: TestInfo, cells: Iterable[Cell]) -> TestLine:
    mine = [cell for cell in cells if cell.letter == test.letter]
    attempts = [job for cell in mine for job in cell.attempts]
    ordered = list(counts(attempts))
    return TestLine(
        test,
        passed=sum(cell.passed for cell in mine),
        attempted=len(attempts),
        worst=ordered[-1] if ordered else None,
    )
