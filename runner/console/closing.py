"""The end of a run: each failure with its reason and its packets, then the matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.console.compliance import compliance_lines
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import Outcome, RequirementResult
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.known_outcomes import description, explains
from quicmatrix.runner.results.log_lines import ended_badly, last_lines
from quicmatrix.runner.results.matrix import MARKS, Cell
from quicmatrix.runner.results.run_folder import bundle_in
from quicmatrix.runner.results.run_view import RunView
from quicmatrix.runner.results.violation_groups import Occurrence, ViolationGroup, violation_groups

STYLES = {
    Outcome.PASSED: "green",
    Outcome.NONCONFORMANT: "dark_orange",
    Outcome.FAILED: "bold red",
    Outcome.CRASHED: "bold magenta",
    Outcome.TIMEOUT: "bold cyan",
    Outcome.ERROR: "bold reverse",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.UNSUPPORTED: "dim",
}
KNOWN_STYLE = "cyan"
"""Of what ended as it is known, whatever the outcome."""
_UNBOUNDED = 1 << 20
"""Characters in a line: more than any matrix has."""
_CORNER = "client ↓ server →"
_GAP = 3
"""Characters between two columns."""
MOST_LINES = 5
"""How many packets of an occurrence, and occurrences of a requirement, unless all are wanted."""


def explain_failures(console: Console, view: RunView, *, debug: bool = False) -> None:
    """Print everything that needs attention, nonconformant attempts first, failures last."""
    for one in (*view.nonconformant, *view.attention):
        for line in failure(one.job, view.run.folder, one.cell, debug=debug):
            console.print(line, soft_wrap=True)
        console.print()


def failure(
    job: JobResult, folder: str, cell: Cell | None = None, *, debug: bool = False
) -> Iterator[Text]:
    """One attempt that needs attention: verdict, violations, bundle, command.

    Args:
        job: Which.
        folder: The run's; empty if the attempt's own is the whole path.
        cell: The cell it is in; None if no other attempt is known.
        debug: Whether to list all packets.
    """
    yield from heading(job, cell)
    yield from details(job, folder, debug=debug)


def details(job: JobResult, folder: str, *, debug: bool = False) -> Iterator[Text]:
    """What was violated in an attempt, the ends of logs, its bundle and command."""
    if job.verdict.requirements:
        yield Text(f"  requirements: {formatting.status_summary(job.verdict)}", "dim")
    most = None if debug else MOST_LINES
    for group in violation_groups(job.verdict):
        yield from _group(group, most)
    yield from _log_ends(job, folder)
    if job.folder:
        yield _labelled("bundle", str(Path(folder, job.folder)))
    if job.command:
        yield _labelled("again", job.command)


def _log_ends(job: JobResult, folder: str) -> Iterator[Text]:
    """The ends of the logs of those processes that did not end as they should."""
    if not job.folder:
        return
    bundle = bundle_in(Path(folder), job.folder) if folder else Path(job.folder)
    for side in ended_badly(job.verdict):
        end = last_lines(bundle / side / OUTPUT_LOG, MOST_LINES)
        if end and end.lines:
            yield Text(f"  {side}'s log{' ends' if end.cut else ''}:", "dim")
            for line in end.lines:
                yield Text(f"    {line}")


def heading(job: JobResult, cell: Cell | None) -> Iterator[Text]:
    """Outcome, participants, test and reason of an attempt."""
    outcome = job.verdict.outcome
    title = (
        formatting.title(job, repeated=cell.repeated, retried=cell.retried)
        if cell
        else formatting.title(job)
    )
    yield Text.assemble((f"{MARKS[outcome]} {outcome}", STYLES[outcome]), "  ", (title, "bold"))
    if cell and cell.flaky:
        yield Text(f"  flaky: {formatting.passed(cell)}", "yellow")
    if job.verdict.reason:
        yield Text(f"  {printable(job.verdict.reason)}")
    if cell and (known := explains(job, cell.known)):
        yield Text(f"  {printable(description(known))}", "cyan")


def summarize(console: Console, view: RunView, report: Path | None, *, debug: bool = False) -> None:
    """Print the matrix, the counts, and where the report is."""
    run = view.run
    if run.jobs and not run.is_conformance:
        _print_matrix(console, view)
    for text in metrics(view.cells):
        console.print(text, soft_wrap=True)
    line = Text(", ").join(
        Text.assemble((f"{MARKS[outcome]} ", STYLES[outcome]), f"{count} {outcome}")
        for outcome, count in view.counts.items()
    )
    took = formatting.duration(run.ended_at - run.started_at)
    if view.known:
        line += Text.assemble(", ", (f"{len(view.known)} of them known", "cyan"))
    if view.flaky:
        line += Text.assemble(", ", (f"{len(view.flaky)} flaky", "yellow"))
    console.print(line + Text(f" in {took}, seed {run.seed}"), soft_wrap=True)
    _print_remarks(console, view)
    _print_notes(console, view, debug=debug)
    for text in compliance_lines(run.compliance, most=None if debug else MOST_LINES):
        console.print(text, soft_wrap=True)
    if debug:
        tools = ", ".join(f"{name} {version}" for name, version in run.tools.items())
        console.print(Text(printable(tools), "dim"), soft_wrap=True)
    if report is not None:
        console.print(Text(f"report: {printable(str(report))}"), soft_wrap=True)


def _print_remarks(console: Console, view: RunView) -> None:
    """What counts and matrix do not show: overrides, warnings, what is known, an early end."""
    run = view.run
    for test in run.tests:
        if test.overridden:
            text = Text(f"{printable(test.name)}: {formatting.overridden(test)}", "yellow")
            console.print(text, soft_wrap=True)
    for warning in view.warnings:
        console.print(Text(f"warning: {printable(warning)}", "bold yellow"), soft_wrap=True)
    for one in view.known:
        for line in heading(one.job, one.cell):
            console.print(line, soft_wrap=True)
    if not run.complete:
        done = f"{len(run.jobs)} of {run.planned}"
        console.print(Text(f"stopped early: {done} attempts were done", "yellow"), soft_wrap=True)


def _print_notes(console: Console, view: RunView, *, debug: bool) -> None:
    if not view.notes or view.run.is_conformance:
        return
    number = len(view.notes)
    which = (
        "1 requirement that decides no verdict was"
        if number == 1
        else f"{number} requirements that decide no verdict were"
    )
    console.print(Text(f"notes: {which} violated in attempts that passed"), soft_wrap=True)
    for note in view.notes if debug else ():
        for text in _group(note.group, MOST_LINES):
            console.print(text, soft_wrap=True)


def _print_matrix(console: Console, view: RunView) -> None:
    """Print it as wide as it is if there is no terminal: whoever reads that can scroll."""
    run, width = view.run, console.width
    if not console.is_terminal:
        console.width = _UNBOUNDED
    console.print(table(run.clients, run.servers, view.pairs, console.width))
    console.width = width


def metrics(cells: Iterable[Cell]) -> Iterator[Text]:
    """What was measured, a line for each cell that has it, and why it may be wrong."""
    for cell in cells:
        if metric := cell.metric:
            yield Text.assemble(
                (f"{printable(cell.label)}: {formatting.metric(metric)}", "bold"),
                f"  client {printable(cell.client)}, server {printable(cell.server)}",
                (f"  {formatting.metric_details(metric)}", "dim"),
            )
            for doubt in metric.doubts:
                yield Text(f"   unreliable: {printable(doubt)}", "bold yellow")


def table(
    clients: tuple[str, ...],
    servers: tuple[str, ...],
    pairs: Mapping[tuple[str, str], Sequence[Cell]],
    width: int,
) -> Group:
    """The matrix: a row for each client, a column for each server, a letter for each test.

    Where not all servers fit into the width, there is one table below the other; no name and no
    cell is ever cut.
    """
    cells = {pair: [_cell(cell) for cell in row] for pair, row in pairs.items()}
    words = [cell_len(printable(server)) for server in servers]
    words += [cell.cell_len for row in cells.values() for cell in row]
    first = max(cell_len(word) for word in (_CORNER, *map(printable, clients)))
    fitting = (width - first) // (max(words, default=0) + _GAP)
    fitting = max(1, min(fitting, len(servers)))
    return Group(
        *(
            _table(clients, servers[at : at + fitting], cells, (width - first) // fitting - _GAP)
            for at in range(0, len(servers), fitting)
        )
    )


def _table(
    clients: tuple[str, ...],
    servers: tuple[str, ...],
    cells: Mapping[tuple[str, str], Sequence[Text]],
    most: int,
) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    grid.add_column(Text(_CORNER, "dim"), no_wrap=True)
    for server in servers:
        grid.add_column(Text(printable(server)), max_width=most, overflow="fold")
    for client in clients:
        row = [Text(" ").join(cells.get((client, server), ())) for server in servers]
        grid.add_row(Text(printable(client), "bold"), *row)
    return grid


def _cell(cell: Cell) -> Text:
    score = f"({cell.score})" if cell.flaky else ""
    style = KNOWN_STYLE if cell.is_known else STYLES[cell.outcome]
    return Text(f"{MARKS[cell.outcome]}{printable(cell.label)}{score}", style)


def requirement_line(result: RequirementResult) -> Text:
    """Level, sentence and citation of a requirement."""
    citation = f" [{printable(result.citation)}]" if result.citation else ""
    return Text.assemble(
        (str(result.level), "bold"), f"  {printable(result.text)}", (citation, "cyan")
    )


def _group(group: ViolationGroup, most: int | None) -> Iterator[Text]:
    yield Text("  ") + requirement_line(group.requirement)
    for occurrence in group.occurrences[:most]:
        yield from _occurrence(occurrence, most)
    if most is not None:
        for line in formatting.more(len(group.occurrences) - most, "messages", prefix="    "):
            yield Text(line, "dim")


def _occurrence(occurrence: Occurrence, most: int | None) -> Iterator[Text]:
    yield Text(f"    {formatting.occurrence(occurrence)}")
    for evidence in occurrence.evidence[:most]:
        yield Text(f"      {formatting.place(evidence)}", "dim")
    if most is not None:
        for line in formatting.more(len(occurrence.evidence) - most, "packets", prefix="      "):
            yield Text(line, "dim")


def _labelled(label: str, text: str) -> Text:
    return Text.assemble((f"  {label:<6}  ", "dim"), printable(text))
