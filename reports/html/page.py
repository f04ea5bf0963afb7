"""What only index.html shows, worked out of the run's view: the template just lays it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quicmatrix.reports.html.chart import Chart, charts
from quicmatrix.runner.model.measurement import TimeSeries
from quicmatrix.runner.model.run import JobResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.matrix import Cell, counts
from quicmatrix.runner.results.run_view import AttemptView, RunView

MOST_EXPLAINED = 500
"""How many attempts that need attention are explained in full; the others are in the table."""
MANY = 100
"""If more are explained, each is explained more briefly."""


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
    """None if there was no attempt at it."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a measurement."""

    job: JobResult
    """Its last attempt."""
    chart: Chart | None
    """None if there is nothing to draw."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A client, a server and a measurement, with all repetitions."""

    cell: Cell
    repetitions: tuple[Repetition, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All of it."""

    shares: tuple[Share, ...]
    cells: dict[tuple[str, str], dict[str, Cell]]
    """By (client, server), then by the test's name."""
    attention: tuple[AttemptView, ...]
    """Attempts that did not work, or of which that is not known, and that are explained."""
    nonconformant: tuple[AttemptView, ...]
    """Nonconformant attempts that are explained."""
    known: tuple[AttemptView, ...]
    """Attempts that ended as it is known, and that are explained."""
    explained: frozenset[str]
    """The anchors of all three."""
    most_occurrences: int
    """How many occurrences of one requirement are shown of each attempt."""
    most_packets: int
    """How many packets of one occurrence; the capture has all of them."""
    most_noted: int
    """How many attempts are listed below a note."""
    tests: tuple[TestLine, ...]
    repeated: bool
    """Whether any job was done more than once."""
    retried: bool
    """Whether any repetition was attempted more than once."""
    measured: tuple[Measured, ...]


def page(view: RunView, series: Mapping[str, TimeSeries]) -> Page:
    """Work it out.

    Args:
        view: The run.
        series: The time series of transfers, by their bundles' folders.
    """
    measurements = {test.name for test in view.run.tests if test.is_measurement}
    attention = view.attention[:MOST_EXPLAINED]
    nonconformant = view.nonconformant[:MOST_EXPLAINED]
    known = view.known[:MOST_EXPLAINED]
    many = len(attention) + len(nonconformant) + len(known) > MANY
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    by_test: dict[str, list[Cell]] = {}
    for cell in view.cells:
        cells.setdefault((cell.client, cell.server), {})[cell.test] = cell
        by_test.setdefault(cell.test, []).append(cell)
    return Page(
        shares=_shares(view.counts),
        cells=cells,
        attention=attention,
        nonconformant=nonconformant,
        known=known,
        explained=frozenset(anchor(one.job) for one in (*attention, *nonconformant, *known)),
        most_occurrences=5 if many else 20,
        most_packets=5 if many else 40,
        most_noted=100,
        tests=tuple(_test_line(test, by_test.get(test.name, ())) for test in view.run.tests),
        repeated=any(job.repetition > 1 for job in view.run.jobs),
        retried=any(job.attempt > 1 for job in view.run.jobs),
        measured=tuple(_measured(cell, series) for cell in view.cells if cell.test in measurements),
    )


def anchor(job: JobResult) -> str:
    """The id of an attempt's place on the page: the same in every run, different for each."""
    words = [job.client, job.server, job.test, str(job.repetition)]
    words += [] if job.attempt == 1 else [f"attempt-{job.attempt}"]
    return "_".join(map(anchor_word, words))


def worst(cell: Cell) -> JobResult:
    """The attempt that decides the outcome of a cell."""
    return next(job for job in cell.settled if job.verdict.outcome is cell.outcome)


def wireshark_filter(frames: Sequence[int]) -> str:
    """A display filter that shows those frames; empty if there are none."""
    if len(frames) == 1:
        return f"frame.number == {frames[0]}"
    return f"frame.number in {{{', '.join(map(str, frames))}}}" if frames else ""


def anchor_word(word: str) -> str:
    """A name as part of an id and of a URL: other characters than these are in hexadecimal."""
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "-.+/") else f"~{ord(char):x}~"
        for char in word
    )


def _measured(cell: Cell, series: Mapping[str, TimeSeries]) -> Measured:
    known = [job.folder for job in cell.settled if job.folder in series]
    drawn = dict(zip(known, charts([series[folder] for folder in known]), strict=True))
    return Measured(cell, tuple(Repetition(job, drawn.get(job.folder)) for job in cell.settled))


def _shares(counted: Mapping[Outcome, int]) -> tuple[Share, ...]:
    total = sum(counted.values())
    shares: list[Share] = []
    start = 0.0
    for outcome, count in counted.items():
        width = 100 * count / total
        shares.append(Share(outcome, count, start, width))
        start += width
    return tuple(shares)


def _test_line(test: TestInfo, cells: Iterable[Cell]) -> TestLine:
    attempts = [job for cell in cells for job in cell.attempts]
    ordered = list(counts(attempts))
    return TestLine(
        test,
        passed=sum(job.verdict.outcome is Outcome.PASSED for job in attempts),
        attempted=len(attempts),
        worst=ordered[-1] if ordered else None,
    )
