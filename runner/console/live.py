"""A display that changes in place: what runs, how far it is, and the matrix filling up.

Failures scroll by above it as they happen. Rich draws from a thread of its own; it only ever sees a
:class:`~quicmatrix.runner.console.progress.Progress`, which is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from quicmatrix.runner.console.closing import STYLES, table
from quicmatrix.runner.console.progress import Progress
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import matrix, needs_attention
from quicmatrix.runner.results.store import JobResult, RunResult

_MOST_RUNNING = 8
"""How many running jobs are named; more would push the matrix off the screen."""


class Display:
    """Tells of a run on a terminal, as a context manager that gives the terminal back.

    Args:
        console: A terminal.
        clock: Seconds, never going back.
        debug: Whether to tell of starts too.
    """

    def __init__(
        self, console: Console, *, clock: Callable[[], float], debug: bool = False
    ) -> None:
        self._console = console
        self._clock = clock
        self._debug = debug
        self._progress = Progress.start((), clock())
        self._live = Live(self, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def run_started(self, jobs: Sequence[Job], folder: Path) -> None:
        """Say where it will be found."""
        self._progress = Progress.start(jobs, self._clock())
        self._say(Text(f"stored in {printable(str(folder))}", "dim"))

    def job_started(self, job: Job) -> None:
        """It is shown as running."""
        self._progress = self._progress.started(job, self._clock())
        if self._debug:
            who = f"client {job.client.name}, server {job.server.name}"
            self._say(Text(f"started {who}: {job.test.name}, seed {job.seed}", "dim"))

    def job_finished(self, result: JobResult) -> None:
        """Its letter appears in the matrix; if it needs attention, it is named."""
        self._progress = self._progress.finished(result)
        outcome = result.verdict.outcome
        if not needs_attention(outcome):
            return
        repeated, retried = result.repetition > 1, result.attempt > 1
        line = Text.assemble(
            (f"{outcome:<12}", STYLES[outcome]),
            f"  {formatting.title(result, repeated=repeated, retried=retried)}",
        )
        if result.verdict.reason:
            line.append(f"  {printable(result.verdict.reason)}", "dim")
        self._say(line)

    def note(self, message: str) -> None:
        """A line of its own."""
        self._say(Text(f"note: {printable(message)}"))

    def run_finished(self, result: RunResult) -> None:
        """Nothing: the display goes when its context is left."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress = self._progress
        if not progress.jobs:
            return
        parts = [_status(progress, self._clock()), _running(progress, self._clock())]
        grid = table(
            _unique(job.client.name for job in progress.jobs),
            _unique(job.server.name for job in progress.jobs),
            matrix(progress.results, _unique(job.test.letter for job in progress.jobs)),
        )
        # Cropping would hide half a row, so a matrix that does not fit is left for the end.
        drawn = sum(len(console.render_lines(part, options)) for part in (*parts, grid))
        if drawn + 1 < console.height:
            parts.append(grid)
        yield Group(*parts)

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _status(progress: Progress, now: float) -> Table:
    done, planned = len(progress.results), len(progress.jobs)
    left = progress.left_s(now)
    times = formatting.duration(now - progress.since)
    if left is not None:
        times += f", about {formatting.duration(left)} left"
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text(f"{done}/{planned}", "bold"),
        ProgressBar(total=planned, completed=done, width=32),
        Text(times),
    )
    return grid


def _running(progress: Progress, now: float) -> Table:
    grid = Table.grid(padding=(0, 2))
    for one in progress.running[:_MOST_RUNNING]:
        grid.add_row(
            Text(f"client {one.job.client.name}", no_wrap=True),
            Text(f"server {one.job.server.name}", no_wrap=True),
            Text(one.job.test.name, no_wrap=True),
            Text(formatting.duration(now - one.since), "dim", no_wrap=True),
        )
    for line in formatting.more(len(progress.running) - _MOST_RUNNING, "jobs"):
        grid.add_row(Text(line, "dim"))
    return grid


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
