from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.console.progress import Progress
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_files import Plan
from tests.support.golden_run import PASSED, RETRY, golden_run, job, jobs_of, plan_of

RUN = golden_run()
JOBS = jobs_of(RUN)
PLAN = plan_of(RUN)


def running(progress: Progress) -> list[Job]:
    return [one.job for one in progress.first_running(100)]


def test_what_was_started_runs_until_it_is_finished() -> None:
    progress = Progress(PLAN, 10.0)
    progress.started(JOBS[0], 11.0)
    progress.started(JOBS[1], 12.0)
    assert [one.since for one in progress.first_running(100)] == [11.0, 12.0]
    assert (progress.running, progress.done, progress.planned) == (2, 0, len(JOBS))
    progress.finished(RUN.jobs[0])
    assert running(progress) == [JOBS[1]]
    assert progress.done == 1


def test_repetitions_of_a_job_run_apart() -> None:
    second, third = JOBS[4], JOBS[5]
    assert (second.test, second.client) == (third.test, third.client)
    progress = Progress(PLAN, 0.0)
    progress.started(second, 0.0)
    progress.started(third, 0.0)
    progress.finished(RUN.jobs[5])
    assert running(progress) == [second]


def test_what_is_left_is_estimated_from_what_was_done() -> None:
    progress = Progress(replace(PLAN, jobs=JOBS[:4]), 100.0)
    assert progress.left_s(105.0) is None
    progress.finished(RUN.jobs[0])
    assert progress.left_s(110.0) == 30.0


def test_another_attempt_is_one_job_more_and_ends_apart_from_the_first() -> None:
    first, again = JOBS[0], JOBS[0].again()
    progress = Progress(replace(PLAN, jobs=JOBS[:1]), 0.0)
    progress.started(first, 0.0)
    progress.finished(RUN.jobs[0])
    progress.started(again, 1.0)
    assert progress.planned == 2
    assert running(progress) == [again]
    progress.finished(replace(RUN.jobs[0], attempt=2))
    assert running(progress) == []


def test_cells_hold_all_attempts_in_the_order_of_the_tests() -> None:
    progress = Progress(PLAN, 0.0)
    for result in reversed(RUN.jobs):
        progress.finished(result)
    cells = progress.cells()["reference", "reference"]
    assert [cell.label for cell in cells] == ["H", "S", "L1", "V2"]
    assert [(cell.outcome, cell.score) for cell in cells][2] == (Outcome.TIMEOUT, "2/3")


def test_two_tests_with_one_letter_are_two_cells() -> None:
    twin = TestInfo("hello-retry", "S", "Another test with the letter of retry.", "simple-p2p")
    plan = Plan(replace(PLAN.run, tests=(RETRY, twin)), ())
    progress = Progress(plan, 0.0)
    progress.finished(job("a", "b", RETRY, PASSED))
    progress.finished(job("a", "b", twin, Verdict(Outcome.FAILED)))
    (cells,) = progress.cells().values()
    assert [(cell.label, cell.outcome) for cell in cells] == [
        ("retry", Outcome.PASSED),
        ("hello-retry", Outcome.FAILED),
    ]
