"""A compliance report: requirements by RFC and section, beside each other for implementations.

It is what index.html of a conformance run shows, and what result.json has under ``conformance``.
Two kinds of requirements are in it: those of cases, which a stimulus provoked, and those on what
an endpoint sends of itself, which were judged on all captures without a stimulus. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quicmatrix.runner.model.run import ComplianceCount, RunResult
from quicmatrix.runner.model.verdict import RequirementResult, Status
from quicmatrix.runner.results.conformance import (
    CaseOutcome,
    CaseResult,
    RoleResult,
    by_role,
    violated_at,
)
from quicmatrix.runner.results.sections import section_order
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level, Step

LEVELS = (Level.MUST, Level.SHOULD, Level.MAY)


@dataclass(frozen=True, slots=True)
class Observed:
    """Something that was observed, and the packets that show it."""

    text: str
    stimulus: tuple[Evidence, ...] = ()
    """The datagrams with the stimulus."""
    packets: tuple[Evidence, ...] = ()
    """Those of the implementation."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A requirement that was violated, and what was seen instead."""

    level: Level
    text: str
    observed: tuple[Observed, ...]


@dataclass(frozen=True, slots=True)
class ReportCell:
    """What one requirement shows of an implementation in a role."""

    outcome: CaseOutcome
    """The worst of the repetitions."""
    outcomes: tuple[CaseOutcome, ...] = ()
    """Of each repetition; empty without a stimulus."""
    times: dict[Status, int] | None = None
    """Without a stimulus: in how many attempts it was held, violated and undetermined."""
    grade: str = ""
    """How the implementation answered the stimulus: exact code, generic code, went on ..."""
    reason: str = ""
    stimulus: tuple[Step, ...] = ()
    """What the tester sent."""
    violated: tuple[Expected, ...] = ()
    folder: str = ""
    """The bundle that shows it, relative to the run's folder."""
    command: str = ""
    """What repeats it."""

    @property
    def flaky(self) -> bool:
        """Whether the repetitions are not all the same."""
        return len(set(self.outcomes)) > 1


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A requirement."""

    id: str
    level: Level
    citation: str
    text: str
    prompted: bool
    """Whether a stimulus provoked it."""
    rows: tuple[str, ...]
    """The rows of the catalogue that it covers."""
    cells: tuple[ReportCell | None, ...]
    """One for each column; None where it was not asked."""


@dataclass(frozen=True, slots=True)
class ReportSection:
    """The requirements of a section."""

    citation: str
    """``RFC 9000, 4.5``; ``control`` for controls."""
    rows: tuple[ReportRow, ...]


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """An implementation in a role."""

    implementation: str
    role: Side
    counts: dict[Level, dict[CaseOutcome, int]]
    """How many requirements of a level show what, best first; without controls."""


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """All of it."""

    columns: tuple[ReportColumn, ...]
    sections: tuple[ReportSection, ...]


def conformance_report(run: RunResult) -> ConformanceReport:
    """Work it out; of a run without conformance cases, it has what needs no stimulus alone."""
    results = by_role(run)
    roles = tuple(
        dict.fromkeys(
            (
                *((one.implementation, one.role) for one in results),
                *((one.implementation, one.role) for one in run.compliance),
            )
        )
    )
    rows = sorted(
        (*_case_rows(results, roles), *_count_rows(run.compliance, roles)),
        key=lambda row: (row.citation != "control", section_order(row.id), not row.prompted),
    )
    sections: dict[str, list[ReportRow]] = {}
    for row in rows:
        sections.setdefault(row.citation, []).append(row)
    return ConformanceReport(
        tuple(ReportColumn(*role, _counts(rows, at)) for at, role in enumerate(roles)),
        tuple(ReportSection(citation, tuple(some)) for citation, some in sections.items()),
    )


def _counts(rows: Iterable[ReportRow], column: int) -> dict[Level, dict[CaseOutcome, int]]:
    found: dict[Level, Counter[CaseOutcome]] = {level: Counter() for level in LEVELS}
    for row in rows:
        cell = row.cells[column]
        if cell is not None and row.level in found:
            found[row.level][cell.outcome] += 1
    return {
        level: {one: counted[one] for one in reversed(CaseOutcome) if counted[one]}
        for level, counted in found.items()
        if counted
    }


def _case_rows(
    results: Sequence[RoleResult], roles: Sequence[tuple[str, Side]]
) -> Iterable[ReportRow]:
    cells: dict[str, dict[tuple[str, Side], CaseResult]] = {}
    for one in results:
        for case in (*one.controls, *one.cases):
            cells.setdefault(case.test.name, {})[one.implementation, one.role] = case
    for name, found in cells.items():
        test = next(iter(found.values())).test
        yield ReportRow(
            name,
            test.level or Level.TEST,
            test.citation,
            test.summary,
            prompted=True,
            rows=test.rows,
            cells=tuple(_cell(found[role]) if role in found else None for role in roles),
        )


def _cell(case: CaseResult) -> ReportCell:
    job = case.job
    results = job.verdict.requirements
    return ReportCell(
        case.outcome,
        case.outcomes,
        grade=next((one.answer for one in results if one.answer), ""),
        reason=job.verdict.reason,
        stimulus=job.stimulus,
        violated=tuple(map(_expected, job.verdict.violated)),
        folder=job.folder,
        command=job.command,
    )


def _expected(result: RequirementResult) -> Expected:
    return Expected(
        result.level,
        result.text,
        tuple(_observed(one.message, one.evidence) for one in result.violations),
    )


def _observed(message: str, evidence: tuple[Evidence, ...]) -> Observed:
    """A violation of a case; the datagram with the stimulus is the last thing that shows it."""
    last = evidence[-1:] if evidence and not evidence[-1].packet_type else ()
    return Observed(message, last, evidence[: len(evidence) - len(last)])


def _count_rows(
    counts: Iterable[ComplianceCount], roles: Sequence[tuple[str, Side]]
) -> Iterable[ReportRow]:
    found: dict[str, dict[tuple[str, Side], ComplianceCount]] = {}
    for one in counts:
        found.setdefault(one.id, {})[one.implementation, one.role] = one
    for name, by_column in found.items():
        first = next(iter(by_column.values()))
        yield ReportRow(
            name,
            first.level,
            first.citation,
            first.text,
            prompted=False,
            rows=(),
            cells=tuple(_count_cell(by_column.get(role)) for role in roles),
        )


def _count_cell(count: ComplianceCount | None) -> ReportCell | None:
    if count is None:
        return None
    numbers: Mapping[Status, int] = {
        Status.VIOLATED: count.violated,
        Status.UNDETERMINED: count.undetermined,
        Status.HELD: count.held,
    }
    seen = count.violation
    observed = (Observed(seen.message, (), seen.evidence),) if seen else ()
    return ReportCell(
        _outcome(count),
        times={status: number for status, number in numbers.items() if number},
        reason=count.reason,
        violated=(Expected(count.level, count.text, observed),) if count.violated else (),
        folder=count.folder,
        command=count.command,
    )


def _outcome(count: ComplianceCount) -> CaseOutcome:
    match count.status:
        case Status.VIOLATED:
            return violated_at(count.level)
        case Status.UNDETERMINED:
            return CaseOutcome.UNDETERMINED
        case _:
            return CaseOutcome.HELD
