"""The end of a conformance run: what was violated, by implementation and role."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from quicmatrix.runner.console.closing import failure
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.conformance import CaseOutcome, RoleResult, by_role
from quicmatrix.runner.results.matrix import Cell
from quicmatrix.runner.results.run_view import RunView

STYLES = {
    CaseOutcome.CRASHED: "bold magenta",
    CaseOutcome.VIOLATED_MUST: "bold red",
    CaseOutcome.FAILED: "bold red",
    CaseOutcome.TIMEOUT: "bold cyan",
    CaseOutcome.ERROR: "bold reverse",
    CaseOutcome.INCONCLUSIVE: "yellow",
    CaseOutcome.VIOLATED_SHOULD: "dark_orange",
    CaseOutcome.NOT_APPLICABLE: "dim",
    CaseOutcome.OTHERWISE: "dim",
    CaseOutcome.HELD: "green",
}
_UNREMARKABLE = (CaseOutcome.HELD, CaseOutcome.NOT_APPLICABLE, CaseOutcome.OTHERWISE)


def explain_conformance(console: Console, view: RunView, *, debug: bool = False) -> None:
    """Print every case that shows something, and how many show what."""
    cells = {(cell.client, cell.server, cell.test): cell for cell in view.cells}
    found = by_role(view.run)
    for one in found:
        _explain(console, view, one, cells, debug=debug)
    for one in found:
        console.print(summary(one), soft_wrap=True)
        for case in (*one.controls, *one.cases):
            if case.flaky:
                console.print(
                    Text(f"  flaky: {printable(case.test.name)}: {', '.join(case.outcomes)}"),
                    soft_wrap=True,
                )


def summary(one: RoleResult) -> Text:
    """An implementation in a role, and how many cases show what."""
    counted = Text(", ").join(
        Text(f"{count} {found}", STYLES[found]) for found, count in one.counts.items()
    )
    name = (f"{printable(one.implementation)} as {one.role}", "bold")
    return Text.assemble(name, ": ", counted if one.counts else "controls only")


def _explain(
    console: Console,
    view: RunView,
    one: RoleResult,
    cells: dict[tuple[str, str, str], Cell],
    *,
    debug: bool,
) -> None:
    """Controls that did not pass stand for all cases that were not started because of them."""
    for case in (*one.controls, *one.started):
        if case.outcome in _UNREMARKABLE:
            continue
        job = case.job
        cell = cells[job.client, job.server, job.test]
        for line in failure(job, view.run.folder, cell, debug=debug):
            console.print(line, soft_wrap=True)
        console.print()
