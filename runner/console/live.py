"""A display that changes in place: the jobs under way, how far the run is, and its matrix so far.

Whatever needs attention is printed above it as it happens. Rich draws from a thread of its own,
some times a second, while events come from the event loop; a lock keeps the two apart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from quicmatrix.runner.console.closing import STYLES, table
from quicmatrix.runner.console.progress import Progress
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import MARKS, SEVERITY, needs_attention
from quicmatrix.runner.results.run_files import Plan

_MOST_RUNNING = 8
"""How many running jobs are named; more would push the matrix off the screen."""
_MOST_CELLS = 1_000
"""A larger matrix is only shown at the end: drawing it takes time that the event loop needs."""

Rendered = list[list[Segment]]


class Display:
    """Shows a run on a terminal; a context manager, after which the terminal is as it was.

    Args:
        console: A terminal.
        clock: Seconds, never going back.
        debug: Whether to print a line for each start too.
    """

    def __init__(
        self, console: Console, *, clock: Callable[[], float], debug: bool = False
    ) -> None:
        self._console = console
        self._clock = clock
        self._debug = debug
        self._progress: Progress | None = None
        self._lock = Lock()
        self._rendered: Rendered = []
        self._rendered_at = (-1, 0)
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

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Print where the run is stored."""
        with self._lock:
            self._progress = Progress(plan, self._clock())
        self._say(Text(f"stored in {printable(str(folder))}", "dim"))

    def job_started(self, job: Job) -> None:
        """It is shown as running."""
        with self._lock:
            if self._progress:
                self._progress.started(job, self._clock())
        if self._debug:
            who = printable(f"client {job.client}, server {job.server}")
            self._say(Text(f"started {who}: {printable(job.test)}, seed {job.seed}", "dim"))

    def job_finished(self, result: JobResult) -> None:
        """It appears in the matrix; if it needs attention, a line is printed too."""
        with self._lock:
            if self._progress:
                self._progress.finished(result)
        outcome = result.verdict.outcome
        if not needs_attention(outcome):
            return
        repeated, retried = result.repetition > 1, result.attempt > 1
        line = Text.assemble(
            (f"{outcome:<13}", STYLES[outcome]),
            f"  {formatting.title(result, repeated=repeated, retried=retried)}",
        )
        if result.verdict.reason:
            line.append(f"  {printable(result.verdict.reason)}", "dim")
        self._say(line)

    def note(self, message: str) -> None:
        """A line of its own."""
        self._say(Text(f"note: {printable(message)}"))

    def run_finished(self, result: RunResult) -> None:
        """Nothing: the display ends with its context."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            progress = self._progress
            if progress is None or not progress.planned:
                return
            now = self._clock()
            shown: Rendered = []
            for part in (_status(progress, now), _running(progress, now)):
                shown += console.render_lines(part, options, pad=False)
            grid = self._matrix(progress, console, options)
        # Cropping would hide half a row, so a matrix that does not fit is only shown at the end.
        if len(shown) + len(grid) + 1 < console.height:
            shown += grid
        for line in shown:
            yield from line
            yield Segment.line()

    def _matrix(self, progress: Progress, console: Console, options: ConsoleOptions) -> Rendered:
        """The matrix so far, rendered anew only if a job was finished since; empty if too large."""
        if progress.is_conformance:  # its columns would be hundreds of ids
            return console.render_lines(_outcomes(progress), options, pad=False)
        if progress.cells_planned > _MOST_CELLS:
            return []
        state = (progress.done, options.max_width)
        if state != self._rendered_at:
            cells, width = progress.cells(), options.max_width
            grid = table(progress.clients, progress.servers, cells, width)
            self._rendered = console.render_lines(grid, options, pad=False)
            self._rendered_at = state
        return self._rendered

    def _say(self, line: Text) -> None:
        self._console.print(line)  # wrapped between words: the terminal itself wraps within them


def _status(progress: Progress, now: float) -> Table:
    left = progress.left_s(now)
    times = formatting.duration(now - progress.since)
    if left is not None:
        times += f", about {formatting.duration(left)} left"
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text(f"{progress.done}/{progress.planned}", "bold"),
        ProgressBar(total=progress.planned, completed=progress.done, width=32),
        Text(times),
    )
    return grid


def _outcomes(progress: Progress) -> Text:
    return Text(", ").join(
        Text.assemble(
            (f"{MARKS[outcome]} ", STYLES[outcome]), f"{progress.outcomes[outcome]} {outcome}"
        )
        for outcome in reversed(SEVERITY)
        if progress.outcomes[outcome]
    )


def _running(progress: Progress, now: float) -> Table:
    grid = Table.grid(padding=(0, 2))
    for one in progress.first_running(_MOST_RUNNING):
        grid.add_row(
            Text(f"client {printable(one.job.client)}", no_wrap=True),
            Text(f"server {printable(one.job.server)}", no_wrap=True),
            Text(printable(one.job.test), no_wrap=True),
            Text(formatting.duration(now - one.since), "dim", no_wrap=True),
        )
    for line in formatting.more(progress.running - _MOST_RUNNING, "jobs"):
        grid.add_row(Text(line, "dim"))
    return grid
