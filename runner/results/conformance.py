"""A conformance run by implementation and role: what became of each case. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from quicmatrix.runner.model.run import JobResult, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Status, Verdict
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level


class CaseOutcome(StrEnum):
    """What a case shows of an implementation, worst first."""

    CRASHED = "crashed"
    VIOLATED_MUST = "violated MUST"
    FAILED = "failed"
    """A control whose flow did not complete, or an implementation that breaks the contract."""
    TIMEOUT = "timeout"
    ERROR = "error"
    UNDETERMINED = "undetermined"
    NOT_EXERCISED = "not exercised"
    """There was nothing to which the requirement applies."""
    VIOLATED_SHOULD = "violated SHOULD"
    NOT_APPLICABLE = "not applicable"
    """It does not support the TESTCASE that the case needs."""
    OTHERWISE = "MAY not done"
    HELD = "held"


_OF_OUTCOME = {
    Outcome.CRASHED: CaseOutcome.CRASHED,
    Outcome.FAILED: CaseOutcome.FAILED,
    Outcome.TIMEOUT: CaseOutcome.TIMEOUT,
    Outcome.ERROR: CaseOutcome.ERROR,
    Outcome.INCONCLUSIVE: CaseOutcome.UNDETERMINED,
    Outcome.UNSUPPORTED: CaseOutcome.NOT_APPLICABLE,
}
_OF_LEVEL = {
    Level.MUST: CaseOutcome.VIOLATED_MUST,
    Level.SHOULD: CaseOutcome.VIOLATED_SHOULD,
    Level.MAY: CaseOutcome.OTHERWISE,
}
CASE_MARKS = {
    CaseOutcome.CRASHED: "†",
    CaseOutcome.VIOLATED_MUST: "✕",
    CaseOutcome.FAILED: "⊗",
    CaseOutcome.TIMEOUT: "…",
    CaseOutcome.ERROR: "⊘",
    CaseOutcome.UNDETERMINED: "≈",
    CaseOutcome.NOT_EXERCISED: "-",
    CaseOutcome.VIOLATED_SHOULD: "!",
    CaseOutcome.NOT_APPLICABLE: "?",
    CaseOutcome.OTHERWISE: "○",
    CaseOutcome.HELD: "✓",
}
"""Each in one character, so that none needs a colour to be recognised."""
EXPLANATIONS = {
    CaseOutcome.CRASHED: "the implementation was ended by a signal or exited too early",
    CaseOutcome.VIOLATED_MUST: "the packets show that it does what the RFC forbids",
    CaseOutcome.FAILED: "an exchange without a stimulus did not complete",
    CaseOutcome.TIMEOUT: "the implementation sent nothing in its time",
    CaseOutcome.ERROR: "the runner or the machine failed; says nothing about the implementation",
    CaseOutcome.UNDETERMINED: "what was recorded does not tell",
    CaseOutcome.NOT_EXERCISED: "there was nothing to which the requirement applies",
    CaseOutcome.VIOLATED_SHOULD: "a recommendation was not followed, or the error code is another",
    CaseOutcome.NOT_APPLICABLE: "it does not support the TESTCASE that the case needs",
    CaseOutcome.OTHERWISE: "it does not do what it may do",
    CaseOutcome.HELD: "it does what the requirement says",
}
_SEVERITY = tuple(CaseOutcome)
_WORKED = (Outcome.PASSED, Outcome.NONCONFORMANT)


def case_outcome(verdict: Verdict) -> CaseOutcome:
    """What an attempt shows."""
    own = verdict.requirements[:1]
    if verdict.outcome is Outcome.INCONCLUSIVE and own and own[0].status is Status.NOT_EXERCISED:
        return CaseOutcome.NOT_EXERCISED
    if verdict.outcome in _OF_OUTCOME:
        return _OF_OUTCOME[verdict.outcome]
    levels = {one.level for one in verdict.violated}
    return next((found for level, found in _OF_LEVEL.items() if level in levels), CaseOutcome.HELD)


def violated_at(level: Level) -> CaseOutcome:
    """What the violation of a requirement of a level shows."""
    return _OF_LEVEL.get(level, CaseOutcome.FAILED)


@dataclass(frozen=True)  # not slotted: cached_property needs the instance's dict
class CaseResult:
    """All repetitions of a case with one implementation in one role; at least one."""

    test: TestInfo
    jobs: tuple[JobResult, ...]
    """By repetition."""

    @cached_property
    def outcomes(self) -> tuple[CaseOutcome, ...]:
        """What each repetition shows."""
        return tuple(case_outcome(job.verdict) for job in self.jobs)

    @property
    def outcome(self) -> CaseOutcome:
        """The worst of them."""
        return min(self.outcomes, key=_SEVERITY.index)

    @property
    def job(self) -> JobResult:
        """The first that shows the worst."""
        return self.jobs[self.outcomes.index(self.outcome)]

    @property
    def flaky(self) -> bool:
        """Whether they are not all the same."""
        return len(set(self.outcomes)) > 1


@dataclass(frozen=True)  # as above
class RoleResult:
    """An implementation in one role."""

    implementation: str
    role: Side
    controls: tuple[CaseResult, ...]
    cases: tuple[CaseResult, ...]
    """Without the controls."""

    @cached_property
    def counts(self) -> dict[CaseOutcome, int]:
        """How many cases show what, best first, without what none shows."""
        counted = Counter(case.outcome for case in self.cases)
        return {one: counted[one] for one in reversed(_SEVERITY) if counted[one]}

    @cached_property
    def started(self) -> tuple[CaseResult, ...]:
        """The cases that were not left out because of their control."""
        worked = {
            (job.test, job.repetition)
            for control in self.controls
            for job in control.jobs
            if job.verdict.outcome in _WORKED
        }
        return tuple(
            case
            for case in self.cases
            if any((case.test.control, job.repetition) in worked for job in case.jobs)
        )


def by_role(run: RunResult) -> tuple[RoleResult, ...]:
    """What a conformance run shows, in the order of its implementations, servers first."""
    infos = {test.name: test for test in run.tests}
    jobs: dict[tuple[Side, str], dict[str, list[JobResult]]] = {}
    for job in run.jobs:
        if job.tester is not None and job.test in infos:
            role = job.tester.peer
            name = job.server if role is Side.SERVER else job.client
            jobs.setdefault((role, name), {}).setdefault(job.test, []).append(job)
    found = []
    for role, names in ((Side.SERVER, run.servers), (Side.CLIENT, run.clients)):
        for name in names:
            of_tests = jobs.get((role, name), {})
            cases = [
                CaseResult(test, tuple(sorted(of_tests[test.name], key=lambda job: job.repetition)))
                for test in run.tests
                if test.name in of_tests
            ]
            if cases:
                controls = tuple(one for one in cases if one.test.name == one.test.control)
                rest = tuple(one for one in cases if one.test.name != one.test.control)
                found.append(RoleResult(name, role, controls, rest))
    return tuple(found)


def nothing_known(run: RunResult) -> str:
    """Why a run says nothing about any implementation; empty if it does."""
    found = by_role(run)
    controls = [job for one in found for case in one.controls for job in case.jobs]
    if not any(job.verdict.outcome in _WORKED for job in controls):
        reasons = (job.verdict.reason for job in controls if job.verdict.reason)
        return f"no control passed, so no case was run: {next(reasons, 'none was run')}"
    started = [case for one in found for case in one.started]
    left = any(one.cases for one in found)
    if left and not any(_executed(job) for case in started for job in case.jobs):
        reasons = (case.job.verdict.reason for case in started)
        return f"no case could be run: {next(reasons, 'the run stopped before')}"
    return ""


def _executed(job: JobResult) -> bool:
    return job.verdict.outcome not in (Outcome.ERROR, Outcome.UNSUPPORTED)
