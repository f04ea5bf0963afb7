"""What is said at the end: each failure with its reason and its packets, then the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import (
    MARKS,
    Cell,
    Matrix,
    counts,
    matrix,
    needs_attention,
    remarks,
)
from quicmatrix.runner.results.store import JobResult, RunResult
from quicmatrix.runner.results.violation_groups import Breach, Sighting, breaches

STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.CRASHED: "bold magenta",
    Outcome.TIMEOUT: "bold yellow",
    Outcome.ERROR: "bold reverse",
    Outcome.INCONCLUSIVE: "cyan",
    Outcome.UNSUPPORTED: "dim",
}
MOST_LINES = 5
"""How many packets of a sighting, and sightings of a requirement, unless all are wanted."""


def explain_failures(console: Console, result: RunResult, *, debug: bool = False) -> None:
    """Everything that needs attention, each with what to do next."""
    pairs = matrix(result.jobs, [test.letter for test in result.tests])
    for row in pairs.values():
        for cell in row:
            for job in cell.attempts:
                if needs_attention(job.verdict.outcome):
                    for line in failure(job, result.folder, cell, debug=debug):
                        console.print(line, soft_wrap=True)
                    console.print()


def failure(
    job: JobResult, folder: str, cell: Cell | None = None, *, debug: bool = False
) -> Iterator[Text]:
    """One job that needs attention.

    Args:
        job: Which.
        folder: The run's; empty if the job's own says it all.
        cell: The cell it is in; None if nothing is known beside it.
        debug: Whether to list all packets.
    """
    outcome = job.verdict.outcome
    title = (
        formatting.title(job, repeated=cell.repeated, retried=cell.retried)
        if cell
        else formatting.title(job)
    )
    yield Text.assemble((str(outcome), STYLES[outcome]), "  ", (title, "bold"))
    if cell and cell.flaky:
        yield Text(f"  flaky: {formatting.passed(cell)}", "yellow")
    if job.verdict.reason:
        yield Text(f"  {printable(job.verdict.reason)}")
    most = None if debug else MOST_LINES
    for breach in breaches(job.verdict.violations):
        yield from _breach(breach, most)
    if job.folder:
        yield _labelled("bundle", str(Path(folder, job.folder)))
    if job.command:
        yield _labelled("again", job.command)


def summarize(
    console: Console, result: RunResult, report: Path | None, *, debug: bool = False
) -> None:
    """The matrix, the counts, and where to read on."""
    pairs = matrix(result.jobs, [test.letter for test in result.tests])
    if result.jobs:
        console.print(table(result.clients, result.servers, pairs))
    for text in figures(pairs):
        console.print(text, soft_wrap=True)
    flaky = sum(cell.flaky for row in pairs.values() for cell in row)
    counted = counts(result.jobs)
    line = Text(", ").join(
        Text.assemble((f"{MARKS[outcome]} ", STYLES[outcome]), f"{count} {outcome}")
        for outcome, count in counted.items()
    )
    took = formatting.duration(result.ended_at - result.started_at)
    if flaky:
        line += Text.assemble(", ", (f"{flaky} flaky", "yellow"))
    console.print(line + Text(f" in {took}, seed {result.seed}"), soft_wrap=True)
    if not result.complete:
        done = f"{len(result.jobs)} of {result.planned}"
        console.print(Text(f"stopped early: {done} attempts were done", "yellow"), soft_wrap=True)
    noted = remarks(result.jobs)
    if noted:
        about = "requirement that does" if len(noted) == 1 else "requirements that do"
        console.print(
            Text(f"attempts that passed breach {len(noted)} {about} not decide"), soft_wrap=True
        )
        for remark in noted if debug else ():
            for text in _breach(remark.breach, MOST_LINES):
                console.print(text, soft_wrap=True)
    if debug:
        tools = ", ".join(f"{name} {version}" for name, version in result.tools.items())
        console.print(Text(printable(tools), "dim"), soft_wrap=True)
    if report is not None:
        console.print(Text(f"report: {printable(str(report))}"), soft_wrap=True)


def figures(pairs: Matrix) -> Iterator[Text]:
    """What was measured, a line for each pair and measurement, and why it may be wrong."""
    for (client, server), cells in pairs.items():
        for cell in cells:
            if figure := cell.figure:
                yield Text.assemble(
                    (f"{printable(cell.letter)}: {formatting.figure(figure)}", "bold"),
                    f"  client {printable(client)}, server {printable(server)}",
                    (f"  {formatting.figure_details(figure)}", "dim"),
                )
                for doubt in figure.doubts:
                    yield Text(f"   not to be trusted: {printable(doubt)}", "bold yellow")


def table(clients: tuple[str, ...], servers: tuple[str, ...], pairs: Matrix) -> Table:
    """The matrix: a row for each client, a column for each server, a letter for each test."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    grid.add_column(Text("client ↓ server →", "dim"), no_wrap=True)
    for server in servers:
        grid.add_column(Text(printable(server)))
    for client in clients:
        row = [Text(printable(client), "bold")]
        for server in servers:
            cells = pairs.get((client, server), ())
            row.append(
                Text(" ").join(
                    Text(
                        f"{MARKS[cell.outcome]}{printable(cell.letter)}"
                        f"{'(' + cell.score + ')' if cell.flaky else ''}",
                        STYLES[cell.outcome],
                    )
                    for cell in cells
                )
            )
        grid.add_row(*row)
    return grid


def _breach(breach: Breach, most: int | None) -> Iterator[Text]:
    if breach.text:
        yield Text.assemble(
            ("  ", ""),
            (str(breach.level), "bold"),
            f"  {printable(breach.text)} ",
            (f"[{printable(breach.citation)}]", "cyan"),
        )
    for sighting in breach.sightings[:most]:
        yield from _sighting(sighting, most)
    if most is not None:
        for line in formatting.more(len(breach.sightings) - most, "messages", prefix="    "):
            yield Text(line, "dim")


def _sighting(sighting: Sighting, most: int | None) -> Iterator[Text]:
    by = f"by the {sighting.side}: " if sighting.side else ""
    yield Text(f"    {by}{printable(sighting.message)}")
    for evidence in sighting.evidence[:most]:
        yield Text(f"      {formatting.place(evidence)}", "dim")
    if most is not None:
        for line in formatting.more(len(sighting.evidence) - most, "packets", prefix="      "):
            yield Text(line, "dim")


def _labelled(label: str, text: str) -> Text:
    return Text.assemble((f"  {label:<6}  ", "dim"), printable(text))
