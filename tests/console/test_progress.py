from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.console.progress import Progress
from tests.support.golden_run import golden_run, jobs_of

RUN = golden_run()
JOBS = jobs_of(RUN)


def test_what_was_started_runs_until_it_is_finished() -> None:
    progress = Progress.start(JOBS, 10.0).started(JOBS[0], 11.0).started(JOBS[1], 12.0)
    assert [(one.job, one.since) for one in progress.running] == [(JOBS[0], 11.0), (JOBS[1], 12.0)]
    progress = progress.finished(RUN.jobs[0])
    assert [one.job for one in progress.running] == [JOBS[1]]
    assert progress.results == RUN.jobs[:1]


def test_repetitions_of_a_job_are_told_apart() -> None:
    second, third = JOBS[4], JOBS[5]
    assert (second.test, second.client) == (third.test, third.client)
    progress = Progress.start(JOBS, 0.0).started(second, 0.0).started(third, 0.0)
    assert [one.job for one in progress.finished(RUN.jobs[5]).running] == [second]


def test_what_is_left_is_estimated_from_what_was_done() -> None:
    progress = Progress.start(JOBS[:4], 100.0)
    assert progress.left_s(105.0) is None
    assert progress.finished(RUN.jobs[0]).left_s(110.0) == 30.0


def test_earlier_values_do_not_change() -> None:
    before = Progress.start(JOBS, 0.0)
    before.started(JOBS[0], 1.0).finished(RUN.jobs[0])
    assert before.running == ()
    assert before.results == ()


def test_another_attempt_is_one_job_more_and_ends_apart_from_the_first() -> None:
    first, again = JOBS[0], JOBS[0].again()
    progress = Progress.start(JOBS[:1], 0.0).started(first, 0.0).finished(RUN.jobs[0])
    progress = progress.started(again, 1.0)
    assert len(progress.jobs) == 2
    assert [one.job for one in progress.running] == [again]
    assert progress.finished(replace(RUN.jobs[0], attempt=2)).running == ()
