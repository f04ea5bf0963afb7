"""The end of a conformance run: what was violated, by implementation and role."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from quicmatrix.runner.console.closing import failure
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.compliance import Compliance, Finding, compliance
from quicmatrix.runner.results.matrix import Cell
from quicmatrix.runner.results.run_view import RunView

STYLES = {
    Finding.CRASHED: "bold magenta",
    Finding.VIOLATED_MUST: "bold red",
    Finding.FAILED: "bold red",
    Finding.TIMEOUT: "bold cyan",
    Finding.ERROR: "bold reverse",
    Finding.INCONCLUSIVE: "yellow",
    Finding.VIOLATED_SHOULD: "dark_orange",
    Finding.NOT_APPLICABLE: "dim",
    Finding.OTHERWISE: "dim",
    Finding.HELD: "green",
}
_UNREMARKABLE = (Finding.HELD, Finding.NOT_APPLICABLE, Finding.OTHERWISE)


def explain_compliance(console: Console, view: RunView, *, debug: bool = False) -> None:
    """Print every case that shows something, and how many show what."""
    cells = {(cell.client, cell.server, cell.test): cell for cell in view.cells}
    found = compliance(view.run)
    for one in found:
        _explain(console, view, one, cells, debug=debug)
    for one in found:
        console.print(summary(one), soft_wrap=True)
        for case in (*one.controls, *one.cases):
            if case.flaky:
                console.print(
                    Text(f"  flaky: {printable(case.test.name)}: {', '.join(case.findings)}"),
                    soft_wrap=True,
                )


def summary(one: Compliance) -> Text:
    """An implementation in a role, and how many cases show what."""
    counted = Text(", ").join(
        Text(f"{count} {found}", STYLES[found]) for found, count in one.counts.items()
    )
    name = (f"{printable(one.implementation)} as {one.role}", "bold")
    return Text.assemble(name, ": ", counted if one.counts else "controls only")


def _explain(
    console: Console,
    view: RunView,
    one: Compliance,
    cells: dict[tuple[str, str, str], Cell],
    *,
    debug: bool,
) -> None:
    """Controls that did not pass stand for all cases that were not started because of them."""
    for case in (*one.controls, *one.started):
        if case.finding in _UNREMARKABLE:
            continue
        job = case.job
        cell = cells[job.client, job.server, job.test]
        for line in failure(job, view.run.folder, cell, debug=debug):
            console.print(line, soft_wrap=True)
        console.print()
