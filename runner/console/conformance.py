"""The end of a conformance run: what was violated, by implementation and role."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from quicmatrix.runner.console.closing import details
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.conformance import (
    CASE_MARKS,
    CaseOutcome,
    CaseResult,
    RoleResult,
    by_role,
)
from quicmatrix.runner.results.run_view import RunView

STYLES = {
    CaseOutcome.CRASHED: "bold magenta",
    CaseOutcome.VIOLATED_MUST: "bold red",
    CaseOutcome.FAILED: "bold red",
    CaseOutcome.TIMEOUT: "bold cyan",
    CaseOutcome.ERROR: "bold reverse",
    CaseOutcome.UNDETERMINED: "yellow",
    CaseOutcome.NOT_EXERCISED: "yellow",
    CaseOutcome.VIOLATED_SHOULD: "dark_orange",
    CaseOutcome.NOT_APPLICABLE: "dim",
    CaseOutcome.OTHERWISE: "dim",
    CaseOutcome.HELD: "green",
}
_VIOLATED = (CaseOutcome.VIOLATED_MUST, CaseOutcome.VIOLATED_SHOULD)
_UNREMARKABLE = (CaseOutcome.HELD, CaseOutcome.NOT_APPLICABLE, CaseOutcome.OTHERWISE)


def explain_conformance(console: Console, view: RunView, *, debug: bool = False) -> None:
    """Print every case that shows something, and how many show what.

    A control that did not pass stands for all cases that were not started because of it.
    """
    found = by_role(view.run)
    for one in found:
        for case in (*one.controls, *one.started):
            if case.flaky or case.outcome not in _UNREMARKABLE:
                for line in _explanation(one, case, view.run.folder, debug=debug):
                    console.print(line, soft_wrap=True)
                console.print()
    for one in found:
        console.print(summary(one), soft_wrap=True)


def summary(one: RoleResult) -> Text:
    """An implementation in a role, and how many cases show what."""
    counted = [
        Text(f"{CASE_MARKS[shown]} {count} {shown}", STYLES[shown])
        for shown, count in one.counts.items()
    ]
    flaky = sum(case.flaky for case in one.cases)
    counted += [Text(f"{flaky} flaky", "yellow")] if flaky else []
    name = (f"{printable(one.implementation)} as {one.role}", "bold")
    return Text.assemble(name, ": ", Text(", ").join(counted) if counted else "controls only")


def _explanation(one: RoleResult, case: CaseResult, folder: str, *, debug: bool) -> Iterator[Text]:
    title = f"{printable(one.implementation)} as {one.role}: {printable(case.test.name)}"
    yield Text.assemble(
        (f"{CASE_MARKS[case.outcome]} {case.outcome}", STYLES[case.outcome]), "  ", (title, "bold")
    )
    if case.flaky:
        yield Text(f"  flaky: {', '.join(case.outcomes)}", "yellow")
    verdict = case.job.verdict
    if verdict.reason and case.outcome not in _VIOLATED:
        yield Text(f"  {printable(verdict.reason)}")
    yield from details(case.job, folder, debug=debug)
