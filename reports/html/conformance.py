"""index.html of a conformance run: its requirements by RFC and section, beside each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from quicmatrix.reports.html import coverage
from quicmatrix.reports.html.environment import environment, style
from quicmatrix.reports.html.page import anchor_word
from quicmatrix.runner.bundle.layout import VERDICT_FILE
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.results.conformance import CASE_MARKS, EXPLANATIONS, CaseOutcome
from quicmatrix.runner.results.conformance_report import (
    LEVELS,
    ConformanceReport,
    ReportCell,
    ReportColumn,
    ReportRow,
    conformance_report,
)
from quicmatrix.runner.results.run_view import RunView
from quicmatrix.runner.trace.model import Side

MOST_EXPLAINED = 500
"""How many rows of a part are explained in full; the table has all."""
MOST_PACKETS = 5
"""How many packets and occurrences of a requirement are shown; verdict.json has all."""

_WITHOUT_NEWS = (
    CaseOutcome.HELD,
    CaseOutcome.NOT_APPLICABLE,
    CaseOutcome.OTHERWISE,
    CaseOutcome.NOT_EXERCISED,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A requirement that is explained, of an implementation in a role."""

    row: ReportRow
    column: ReportColumn
    cell: ReportCell
    position: int
    """The column's, from 1."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page that explains requirements."""

    id: str
    title: str
    lead: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A box that, if it is not checked, hides what has a class."""

    id: str
    words: str
    hidden: str
    """What it hides, as a CSS selector."""


def render(view: RunView) -> str:
    """The page's HTML."""
    report = conformance_report(view.run)
    found = choices(report)
    return (
        environment()
        .get_template("conformance.html")
        .render(
            view=view,
            headline=headline(report),
            parts=parts(report),
            choices=found,
            coverage_file=coverage.FILE,
            most_explained=MOST_EXPLAINED,
            **shared(view.run, report),
            **style("".join(map(_rule, found))),
        )
    )


def shared(run: RunResult, report: ConformanceReport) -> dict[str, object]:
    """What the templates of a compliance report need, on whatever page it is."""
    totals: Counter[CaseOutcome] = Counter()
    for column in report.columns:
        for counts in column.counts.values():
            totals.update(counts)
    return {
        "run": run,
        "report": report,
        "totals": totals,
        "shown": tuple(one for one in reversed(CaseOutcome) if totals[one]),
        "case_marks": CASE_MARKS,
        "explanations": EXPLANATIONS,
        "most_packets": MOST_PACKETS,
        "verdict_file": VERDICT_FILE,
        "sides": tuple(Side),
        "row_classes": row_classes,
        "place": place,
        "is_explained": is_explained,
    }


def headline(report: ConformanceReport) -> str:
    """How many rows need attention, controls included, the worst first."""
    cells = [
        cell
        for section in report.sections
        for row in section.rows
        for cell in row.cells
        if cell is not None
    ]
    counted = Counter(cell.outcome for cell in cells if is_explained(cell))
    if not cells:
        return "Nothing was run"
    if not counted:
        return f"Nothing is violated in {len(cells)} rows"
    return ", ".join(f"{counted[one]} {one}" for one in CaseOutcome if counted[one])


def parts(report: ConformanceReport) -> tuple[Part, ...]:
    """What is explained, the worst first; parts without an entry are left out."""
    entries = [
        Entry(row, column, cell, at + 1)
        for section in report.sections
        for row in section.rows
        for at, (column, cell) in enumerate(zip(report.columns, row.cells, strict=True))
        if cell is not None and is_explained(cell)
    ]
    must, should = CaseOutcome.VIOLATED_MUST, CaseOutcome.VIOLATED_SHOULD
    rest = set(CaseOutcome) - {must, should}
    found = (
        Part("must", "Violated MUST", "", _of(entries, {must})),
        Part("should", "Violated SHOULD", "", _of(entries, {should})),
        Part(
            "unknown",
            "Crashed, failed, undetermined",
            "What these rows ask for could not be seen; a crash or a timeout is the "
            "implementation's, an error is ours or the machine's.",
            _of(entries, rest),
        ),
    )
    return tuple(part for part in found if part.entries)


def _of(entries: list[Entry], outcomes: set[CaseOutcome]) -> tuple[Entry, ...]:
    return tuple(one for one in entries if one.cell.outcome in outcomes)


def is_explained(cell: ReportCell | None) -> bool:
    """Whether a cell has a place of its own on the page."""
    return cell is not None and cell.outcome not in _WITHOUT_NEWS


def place(row: ReportRow, column: ReportColumn) -> str:
    """The id of that place."""
    words = (column.implementation, column.role, row.id, "" if row.prompted else "unprompted")
    return "_".join(map(anchor_word, filter(None, words)))


def row_classes(row: ReportRow) -> str:
    """What the choices find a row by: its level, and what its cells show."""
    shows = {_shows(cell.outcome) for cell in row.cells if cell is not None}
    return " ".join((f"of-{row.level.lower()}", *(f"shows-{one}" for one in sorted(shows))))


def _shows(outcome: CaseOutcome) -> str:
    if outcome in (CaseOutcome.VIOLATED_MUST, CaseOutcome.VIOLATED_SHOULD):
        return "violated"
    return "held" if outcome is CaseOutcome.HELD else "other"


def choices(report: ConformanceReport) -> tuple[Choice, ...]:
    """By level, by result and by implementation: a row hides once all it shows is hidden."""
    levels = tuple(
        Choice(f"with-{level.lower()}", level, f"main .of-{level.lower()}") for level in LEVELS
    )
    results = (
        Choice("with-violated", "violated", _only("violated")),
        Choice("with-held", "held", _only("held")),
        Choice("with-other", "everything else", _only("other")),
    )
    columns = tuple(
        Choice(f"with-col-{at}", f"{one.implementation} as {one.role}", f"main .col-{at}")
        for at, one in enumerate(report.columns, 1)
    )
    return (*levels, *results, *(columns if len(columns) > 1 else ()))


def _only(shown: str) -> str:
    others = {"violated", "held", "other"} - {shown}
    without = "".join(f":not(.shows-{one})" for one in sorted(others))
    return f"main .shows-{shown}{without}"


def _rule(choice: Choice) -> str:
    return f":root:has(#{choice.id}:not(:checked)) {choice.hidden} {{ display: none; }}\n"
