from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Status, Verdict
from quicmatrix.runner.results.run_view import run_view
from tests.support.golden_run import (
    HANDSHAKE,
    HELD,
    NOT_EXERCISED,
    PASSED,
    TOKEN_LOST,
    UNDETERMINED,
    job,
    one_job_run,
)


def run_of(*jobs: JobResult) -> RunResult:
    return replace(one_job_run(PASSED), jobs=jobs, planned=len(jobs))


def test_attempts_are_in_the_matrix_s_order_whatever_ended_first(golden: RunResult) -> None:
    straight, reversed_ = run_view(golden), run_view(replace(golden, jobs=golden.jobs[::-1]))
    jobs = [one.job for one in straight.attempts]
    assert jobs == [one.job for one in reversed_.attempts]
    assert len(jobs) == len(golden.jobs)


def test_nonconformant_attempts_are_apart_from_those_that_do_not_work(golden: RunResult) -> None:
    view = run_view(golden)
    assert [one.cell.label for one in view.attention] == ["L1", "S", "L1", "H", "S", "L1"]
    assert [one.cell.label for one in view.nonconformant] == ["BP"]
    assert [cell.label for cell in view.flaky] == ["L1"]


def test_an_attempt_outside_of_the_matrix_is_not_lost() -> None:
    run = one_job_run(PASSED)
    stray = job("c", "d", HANDSHAKE, PASSED)
    view = run_view(replace(run, jobs=(stray, *run.jobs)))
    assert tuple(one.job for one in view.attempts) == (*run.jobs, stray)


def test_all_requirements_are_listed_in_a_small_run() -> None:
    verdict = Verdict(Outcome.FAILED, requirements=(HELD, TOKEN_LOST, NOT_EXERCISED))
    (one,) = run_view(one_job_run(verdict)).attempts
    assert one.requirements == (TOKEN_LOST, NOT_EXERCISED, HELD)
    assert one.unlisted == 0


@pytest.mark.parametrize(
    ("requirements", "listed"),
    [
        ((HELD,) * 3, {Status.HELD}),
        ((HELD,) * 4, set()),
        ((HELD,) * 3 + (NOT_EXERCISED,), {Status.NOT_EXERCISED}),
        ((UNDETERMINED, NOT_EXERCISED), {Status.UNDETERMINED, Status.NOT_EXERCISED}),
        ((UNDETERMINED,) * 4 + (TOKEN_LOST,) * 9, {Status.VIOLATED}),
    ],
)
def test_lists_stay_short_in_a_large_run_but_for_violations(
    requirements: tuple[RequirementResult, ...],
    listed: set[Status],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quicmatrix.runner.results.run_view.MOST_LISTED", 30)
    verdict = replace(PASSED, requirements=requirements)
    jobs = (job("a", "b", HANDSHAKE, verdict, repetition=number) for number in range(10))
    view = run_view(run_of(*jobs))
    assert {result.status for one in view.attempts for result in one.requirements} == listed
    assert {one.unlisted + len(one.requirements) for one in view.attempts} == {len(requirements)}


@pytest.mark.parametrize(
    ("outcomes", "headline"),
    [
        ([], "Nothing was run"),
        (["passed"], "The attempt passed"),
        (["passed", "passed"], "All 2 attempts passed"),
        (["passed", "unsupported"], "Nothing needs attention"),
        (["failed"], "1 of 1 attempt needs attention"),
        (["failed", "timeout", "passed"], "2 of 3 attempts need attention"),
        (["nonconformant"], "1 of 1 attempt is nonconformant"),
        (["nonconformant", "nonconformant", "passed"], "2 of 3 attempts are nonconformant"),
        (
            ["nonconformant", "failed", "passed"],
            "1 of 3 attempts needs attention, 1 more is nonconformant",
        ),
    ],
)
def test_the_headline_counts_nonconformant_attempts_apart(
    outcomes: list[str], headline: str
) -> None:
    jobs = (
        job("a", "b", HANDSHAKE, Verdict(Outcome(outcome)), repetition=number)
        for number, outcome in enumerate(outcomes, 1)
    )
    assert run_view(run_of(*jobs)).headline == headline


def test_the_headline_names_what_passed_only_when_it_was_tried_again() -> None:
    first = job("a", "b", HANDSHAKE, Verdict(Outcome.FAILED))
    again = replace(job("a", "b", HANDSHAKE, PASSED), attempt=2)
    assert run_view(run_of(first, again)).headline == (
        "Nothing failed in the end, but 1 of 1 attempt is flaky"
    )
