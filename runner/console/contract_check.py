"""A contract check on the console: its progress, and a line for each requirement.

::

    ✓ held           The server ends within 5 s of SIGTERM.  it exited with 0 after 0.08 s
    ✕ violated       The server writes a qlog to QLOGDIR.  QLOGDIR is empty
                     server_writes_qlog (SHOULD, interop suite), see runs/.../server-transfer
                     -> write a qlog file for each connection to the folder QLOGDIR

Messages may quote what the implementation wrote, so all of them pass :func:`printable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from quicmatrix.runner.console.explanation import STATUS_STYLES
from quicmatrix.runner.contract_check.cases import ContractCase
from quicmatrix.runner.contract_check.model import ContractResult
from quicmatrix.runner.contract_check.report import Report
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.requirement_lists import STATUS_MARKS
from quicmatrix.testcases.model import Level

_INDENT = " " * (max(map(len, Status)) + 4)
_MOST_EVIDENCE = 3


class CaseProgress(Protocol):
    """Shows which cases run."""

    def started(self, case: ContractCase) -> None:
        """A case begins."""

    def finished(self, case: ContractCase) -> None:
        """It is over, or was skipped."""


@contextmanager
def show_progress(
    console: Console, cases: Sequence[ContractCase], *, debug: bool
) -> Iterator[CaseProgress]:
    """Show progress: a bar on a terminal, otherwise lines, and those only with ``debug``."""
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
            yield _ProgressBar(progress, len(cases))
    else:
        yield _ProgressLines(console, debug=debug)


def show_report(console: Console, report: Report, *, debug: bool = False) -> None:
    """Print every requirement, for violated ones what to do, and the sum."""
    for one in report.results:
        for line in _lines(one, report, debug=debug):
            console.print(line, soft_wrap=True)
    console.print()
    counts = report.counts
    summary = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    number = len(report.results)
    requirements = "1 requirement" if number == 1 else f"{number} requirements"
    console.print(Text(f"{requirements}: {summary}"), soft_wrap=True)
    implementation = printable(report.implementation)
    if report.fulfilled:
        line = Text(f"{implementation} fulfils the contract", "bold green")
    else:
        names = ", ".join(one.about.name for one in report.deciding)
        line = Text(f"{implementation} does not fulfil the contract: ", "bold red")
        line.append(names, "bold")
    console.print(line, soft_wrap=True)
    console.print(Text(f"stored in {printable(str(report.folder))}", "dim"), soft_wrap=True)


def _lines(one: ContractResult, report: Report, *, debug: bool) -> Iterator[Text]:
    result, status = one.result, one.result.status
    messages = [violation.message for violation in result.violations] or [result.reason]
    yield Text.assemble(
        (f"{f'{STATUS_MARKS[status]} {status}':<{len(_INDENT)}}", _style(one)),
        result.text,
        (f"  {printable(messages[0])}".rstrip(), "dim" if status is Status.HELD else ""),
    )
    for message in messages[1:]:
        yield Text(f"{_INDENT}{printable(message)}")
    for violation in result.violations:
        for evidence in violation.evidence[:_MOST_EVIDENCE]:
            yield Text(f"{_INDENT}{formatting.place(evidence)}", "dim")
    if debug or status in (Status.VIOLATED, Status.UNDETERMINED):
        cases = " and ".join(report.cases_of(one.about))
        where = f", see {printable(str(report.folder))}/{cases}" if cases else ""
        yield Text(
            f"{_INDENT}{result.requirement} ({result.level}, {result.citation}){where}", "dim"
        )
    if status is Status.VIOLATED:
        yield Text(f"{_INDENT}-> {one.about.hint}")


def _style(one: ContractResult) -> str:
    status = one.result.status
    is_note = status is Status.VIOLATED and one.result.level is Level.SHOULD
    return "yellow" if is_note else STATUS_STYLES[status]


class _ProgressLines:
    def __init__(self, console: Console, *, debug: bool) -> None:
        self._console = console
        self._debug = debug

    def started(self, case: ContractCase) -> None:
        pass

    def finished(self, case: ContractCase) -> None:
        if self._debug:
            line = Text(f"done: {case.name}: {case.summary}", "dim")
            self._console.print(line, soft_wrap=True)


class _ProgressBar:
    """How many cases are done, and which run."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._running: dict[str, ContractCase] = {}

    def started(self, case: ContractCase) -> None:
        self._running[case.name] = case
        self._update(0)

    def finished(self, case: ContractCase) -> None:
        self._running.pop(case.name, None)
        self._update(1)

    def _update(self, advance: int) -> None:
        running = ", ".join(f"{one.role}: {one.summary}" for one in self._running.values())
        self._progress.update(self._task, advance=advance, description=running)
