"""Conformance cases over real packets, each with an implementation of its own or one for all.

A trial is a case, a role and who is tested; the runner, the tester and the judge are those of
``quicmatrix conform``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.conformance import Selection, conformance_cases, jobs
from quicmatrix.runner.results.conformance import CaseOutcome, case_outcome
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance.model import Case
from quicmatrix.testcases.model import Level
from tests.support.real_run import do

ROOT = Path(__file__).parents[2]
SEED = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A case and the role in which an implementation is tested by it."""

    case: Case
    role: Side

    def __str__(self) -> str:
        return f"{self.case.id}-{self.role}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of a trial."""

    control: JobResult
    job: JobResult

    @property
    def outcome(self) -> CaseOutcome:
        """What the case shows."""
        return case_outcome(self.job.verdict)

    @property
    def answer(self) -> str:
        """What the case shows, and why, in a line."""
        reason = self.job.verdict.reason
        return f"{self.outcome}: {reason}" if reason else str(self.outcome)

    @property
    def problem(self) -> str:
        """Why the case's own MUST is not violated; empty if it is, and the control passed."""
        control = self.control.verdict
        if control.outcome is not Outcome.PASSED:
            return f"the control: {control.outcome}: {control.reason}"
        own = self.job.verdict.requirements[:1]
        violated = [one for one in self.job.verdict.violated if one.level is Level.MUST]
        if self.outcome is CaseOutcome.VIOLATED_MUST and tuple(violated[:1]) == own:
            return ""
        return self.answer


def local(name: str, *words: str) -> Implementation:
    """A program of this folder in both roles."""
    python = (sys.executable, "-P", "-m", *words)
    command = ("/usr/bin/env", f"PYTHONPATH={ROOT}", *python)
    return Implementation(name, commands=dict.fromkeys(Side, command))


def saboteur(case: Case) -> Implementation:
    """The reference endpoint that violates a case's requirement."""
    return local(case.id.replace("/", "-"), "tests.support.saboteur", case.id)


AIOQUIC = local("aioquic", "tests.support.plain_aioquic")


def must_trials(cases: Iterable[Case] | None = None) -> tuple[Trial, ...]:
    """All cases whose requirement is a MUST, in each of their roles."""
    return tuple(
        Trial(case, role)
        for case in (conformance_cases() if cases is None else cases)
        if case.level is Level.MUST and not case.is_control
        for role in sorted(case.roles)
    )


def slice_of(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """One for each RFC's main section, of the roles in turn."""
    sections: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        sections.setdefault((trial.case.rfc, trial.case.section.partition(".")[0]), []).append(
            trial
        )
    return tuple(
        next((one for one in found if one.role is wanted), found[0])
        for found, wanted in zip(sections.values(), list(Side) * len(sections), strict=False)
    )


def chosen(request: pytest.FixtureRequest, parameter: str) -> Iterator[Any]:
    """The values of a parameter in the tests of a module that are run: -k may leave some out."""
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.path == request.path:
            spec = getattr(item, "callspec", None)  # of those with parameters
            if spec is not None and parameter in spec.params:
                yield spec.params[parameter]


def run(
    trials: Sequence[tuple[Trial, Implementation]], folder: Path, parallel: int = 0
) -> dict[Trial, Shown]:
    """What becomes of them, in a new folder; by default as many side by side as there are cores."""
    cases = conformance_cases()
    planned = dict.fromkeys(
        job
        for trial, implementation in trials
        for job in jobs(Selection(((implementation, trial.role),), (trial.case,)), cases, SEED)
    )
    wanted = {job.test for job in planned}
    result = do(
        tuple(planned),
        [case.test_case for case in cases if case.id in wanted],
        folder,
        run_id=folder.name,
        parallelism=Parallelism(parallel or os.cpu_count() or 1),
        implementations=tuple({one.name: one for _, one in trials}.values()),
    )
    found = {(job.tester, _tested(job), job.test): job for job in result.jobs}

    def job_of(trial: Trial, implementation: Implementation, test: str) -> JobResult:
        return found[trial.role.peer, implementation.name, test]

    return {
        trial: Shown(
            job_of(trial, implementation, trial.case.flow.control),
            job_of(trial, implementation, trial.case.id),
        )
        for trial, implementation in trials
    }


def _tested(job: JobResult) -> str:
    return job.server if job.tester is Side.CLIENT else job.client
