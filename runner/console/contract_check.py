"""A check of an implementation's conduct, on the console: its course, and a line for each rule.

::

    ok              The server ends within 5 s of SIGTERM.  it ended after 0.08 s, exit code 0
    broken          The server leaves a qlog in QLOGDIR.  QLOGDIR is empty
                    rule server_writes_qlog (recommended), seen in runs/.../server-transfer
                    -> write a qlog file for each connection to the folder QLOGDIR

What the subject wrote may be part of the evidence, so all of it passes :func:`printable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from quicmatrix.runner.contract_check.cases import Trial
from quicmatrix.runner.contract_check.model import Importance, Judged, Standing
from quicmatrix.runner.contract_check.report import Report
from quicmatrix.runner.printable import printable

STYLES = {
    Standing.OK: "green",
    Standing.BROKEN: "bold red",
    Standing.UNSEEN: "bold yellow",
    Standing.INAPPLICABLE: "dim",
}
_WIDTH = max(map(len, Standing)) + 2


class Course(Protocol):
    """Is told of trials while they happen."""

    def started(self, trial: Trial) -> None:
        """It has a place to run now."""

    def finished(self, trial: Trial) -> None:
        """It is over, or was left out."""


@contextmanager
def course(console: Console, trials: Sequence[Trial], *, debug: bool) -> Iterator[Course]:
    """Show how far it is: in place on a terminal, else only if every detail is wanted."""
    if console.is_terminal and not console.is_dumb_terminal:
        progress = Progress(
            MofNCompleteColumn(),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        with progress:
            yield _Bar(progress, len(trials))
    else:
        yield _Lines(console, debug=debug)


def show(console: Console, report: Report, *, debug: bool = False) -> None:
    """Print a report: all rules, those of interest with what to do, and the sum of it."""
    for judged in report.judged:
        for line in _lines(judged, report, debug=debug):
            console.print(line, soft_wrap=True)
    console.print()
    counts = report.counts
    said = ", ".join(f"{counts[standing]} {standing}" for standing in Standing if counts[standing])
    rules = "1 rule" if len(report.judged) == 1 else f"{len(report.judged)} rules"
    console.print(Text(f"{rules}: {said}"), soft_wrap=True)
    subject = printable(report.subject)
    if report.honoured:
        console.print(Text(f"{subject} honours the contract", "bold green"), soft_wrap=True)
    else:
        names = ", ".join(one.rule.name for one in report.decisive)
        line = Text(f"{subject} does not honour the contract: ", "bold red").append(names, "bold")
        console.print(line, soft_wrap=True)
    console.print(Text(f"stored in {printable(str(report.folder))}", "dim"), soft_wrap=True)


def _lines(judged: Judged, report: Report, *, debug: bool) -> Iterator[Text]:
    rule, finding = judged.rule, judged.finding
    yield Text.assemble(
        (f"{finding.standing:<{_WIDTH}}", _style(judged)),
        f"{rule.text}  ",
        (printable(finding.evidence), "dim" if finding.standing is Standing.OK else ""),
    )
    of_interest = finding.standing in (Standing.BROKEN, Standing.UNSEEN)
    if of_interest or debug:
        run = [trial.name for trial in report.trials if trial.name in rule.trials]
        where = f", seen in {printable(str(report.folder))}/{' and '.join(run)}" if run else ""
        yield Text(f"{'':{_WIDTH}}rule {rule.name} ({rule.importance}){where}", "dim")
    if finding.standing is Standing.BROKEN:
        yield Text(f"{'':{_WIDTH}}-> {rule.hint}")


def _style(judged: Judged) -> str:
    standing = judged.finding.standing
    mild = standing is Standing.BROKEN and judged.rule.importance is Importance.RECOMMENDED
    return "yellow" if mild else STYLES[standing]


class _Lines:
    def __init__(self, console: Console, *, debug: bool) -> None:
        self._console = console
        self._debug = debug

    def started(self, trial: Trial) -> None:
        pass

    def finished(self, trial: Trial) -> None:
        if self._debug:
            line = Text(f"done: {trial.name}: {trial.summary}", "dim")
            self._console.print(line, soft_wrap=True)


class _Bar:
    """A bar, and what runs at the moment."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._running: dict[str, Trial] = {}

    def started(self, trial: Trial) -> None:
        self._running[trial.name] = trial
        self._show(0)

    def finished(self, trial: Trial) -> None:
        self._running.pop(trial.name, None)
        self._show(1)

    def _show(self, advance: int) -> None:
        running = ", ".join(f"{one.role}: {one.summary}" for one in self._running.values())
        self._progress.update(self._task, advance=advance, description=running)
