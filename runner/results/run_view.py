"""A run as the console and all reports show it, worked out once from its result. Pure.

What is listed of each attempt's requirements is bounded over the whole run, so that a report of
5,000 attempts can still be opened: violated ones are always listed, those of another status only
as long as all lists together stay short. verdict.json in an attempt's bundle has all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from quicmatrix.runner.model.implementation import KnownOutcome
from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Status
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.conformance import nothing_known
from quicmatrix.runner.results.known_outcomes import explains, removal, unexpected_passes
from quicmatrix.runner.results.matrix import (
    Cell,
    Matrix,
    Note,
    counts,
    matrix,
    needs_attention,
    notes,
    settled,
    unsupported_everything,
)
from quicmatrix.runner.results.requirement_lists import STATUSES, by_status
from quicmatrix.runner.results.violation_groups import ViolationGroup, violation_groups

MOST_LISTED = 10_000
"""How many requirement results are listed in all, violated ones apart."""


@dataclass(frozen=True, slots=True)
class AttemptView:
    """An attempt, and what is shown of it."""

    job: JobResult
    cell: Cell = field(repr=False)  # its repr would be as long as that of all attempts
    """All attempts by the same client and server at the same test."""
    requirements: tuple[RequirementResult, ...]
    """Those that are listed, violated ones first."""
    groups: tuple[ViolationGroup, ...]
    """What was violated."""

    @property
    def outcome(self) -> Outcome:
        """The attempt's, not the cell's."""
        return self.job.verdict.outcome

    @property
    def known(self) -> KnownOutcome | None:
        """The entry that announces how it ended; None if it is not known."""
        return explains(self.job, self.cell.known)

    @property
    def title(self) -> str:
        """Client, server and test, with repetition and attempt if there are several."""
        return formatting.title(self.job, repeated=self.cell.repeated, retried=self.cell.retried)

    @property
    def unlisted(self) -> int:
        """How many requirements are only in verdict.json."""
        return len(self.job.verdict.requirements) - len(self.requirements)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, ready to be rendered."""

    run: RunResult
    pairs: Matrix
    cells: tuple[Cell, ...]
    """All of them, in the order of clients, servers and tests."""
    attempts: tuple[AttemptView, ...]
    """All of them, in the order of the cells."""
    attention: tuple[AttemptView, ...]
    """Those that did not work, or of which that is not known."""
    nonconformant: tuple[AttemptView, ...]
    known: tuple[AttemptView, ...]
    """Those that ended, other than by passing, as it is known of an implementation; in neither of
    the two before."""
    flaky: tuple[Cell, ...]
    """Those whose attempts do not agree."""
    notes: tuple[Note, ...]
    counts: dict[Outcome, int]
    """How many attempts ended how, best first, without those outcomes that did not occur."""
    headline: str
    warnings: tuple[str, ...]
    """What the outcomes do not show, but cannot be as it was meant."""


def run_view(result: RunResult) -> RunView:
    """Work out what is shown of a run."""
    pairs = matrix(result.jobs, result.tests, result.announced)
    named = ((client, server) for client in result.clients for server in result.servers)
    order = dict.fromkeys((*named, *pairs))  # those outside of the matrix last
    cells = tuple(cell for pair in order for cell in pairs.get(pair, ()))
    listed = _listed(result.jobs)
    attempts = tuple(
        AttemptView(
            job,
            cell,
            tuple(one for one in by_status(job.verdict) if one.status in listed),
            violation_groups(job.verdict),
        )
        for cell in cells
        for job in cell.attempts
    )
    passes = unexpected_passes(settled(result.jobs), result.announced)
    unknown = [one for one in attempts if not one.known]
    return RunView(
        run=result,
        pairs=pairs,
        cells=cells,
        attempts=attempts,
        attention=tuple(one for one in unknown if _not_known_to_work(one.outcome)),
        nonconformant=tuple(one for one in unknown if one.outcome is Outcome.NONCONFORMANT),
        known=tuple(one for one in attempts if one.known),
        flaky=tuple(cell for cell in cells if cell.flaky),
        notes=notes(one.job for one in attempts),
        counts=counts(result.jobs),
        headline=_headline(result, sum(cell.flaky for cell in cells)),
        warnings=(
            *_warnings(result),
            *(removal(one, jobs) for one, jobs in passes.items()),
        ),
    )


def _warnings(result: RunResult) -> tuple[str, ...]:
    nothing = nothing_known(result) if result.is_conformance else ""
    return (*unsupported_everything(result.jobs), *([nothing] if nothing else []))


def _not_known_to_work(outcome: Outcome) -> bool:
    return needs_attention(outcome) and outcome is not Outcome.NONCONFORMANT


def _listed(jobs: Iterable[JobResult]) -> frozenset[Status]:
    """Requirements of which status there is room for."""
    numbers = Counter(one.status for job in jobs for one in job.verdict.requirements)
    listed, total = {Status.VIOLATED}, 0
    for status in STATUSES[1:]:
        total += numbers[status]
        if total > MOST_LISTED:
            break
        listed.add(status)
    return frozenset(listed)


def _headline(result: RunResult, flaky: int) -> str:
    jobs = settled(result.jobs)
    done = len(jobs)
    outcomes = [job.verdict.outcome for job in jobs if not explains(job, result.announced)]
    attention = sum(map(_not_known_to_work, outcomes))
    nonconformant = outcomes.count(Outcome.NONCONFORMANT)
    of = f"of {done} attempt{'' if done == 1 else 's'}"
    is_nonconformant = f"{'is' if nonconformant == 1 else 'are'} nonconformant"
    if not done:
        return "Nothing was run"
    if attention:
        more = f", {nonconformant} more {is_nonconformant}" if nonconformant else ""
        return f"{attention} {of} need{'s' if attention == 1 else ''} attention{more}"
    if nonconformant:
        return f"{nonconformant} {of} {is_nonconformant}"
    if done < len(result.jobs):  # some were attempted again, and passed then
        return f"Nothing failed in the end, but {flaky} {of} {'is' if flaky == 1 else 'are'} flaky"
    known = done - len(outcomes)
    if not known and all(outcome is Outcome.PASSED for outcome in outcomes):
        return "The attempt passed" if done == 1 else f"All {done} attempts passed"
    return "Nothing needs attention" + (f", {known} {of} ended as it is known" if known else "")
