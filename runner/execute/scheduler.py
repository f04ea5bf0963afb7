"""The order in which jobs run, and how many side by side.

Tests come first, side by side, the longest at the beginning, so that nobody waits for a single one
at the end. What has a control waits until all controls have their verdicts, and is not started
unless its own passed.
Measurements follow when the last test is over, in rounds: each has a core to itself, and until all
of a round are over, nothing else happens; they are judged after that.
Two that share the cores slow each other down by 2 to 4 %, two with a core each by 0.6 %
(docs/measurements.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from quicmatrix.runner.bundle.records import read_attempt, write_attempt, write_judgement
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.attempt import describe, new_record
from quicmatrix.runner.execute.executor import Executor
from quicmatrix.runner.judge.bundle import unjudged
from quicmatrix.runner.judge.pool import Judge
from quicmatrix.runner.model.attempt import ControlRecord
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.matrix import is_tried_again
from quicmatrix.runner.results.run_files import Plan, result_of, unreadable
from quicmatrix.testcases.model import TestCase


class Observer(Protocol):
    """Who hears of a run while it happens. Its methods return at once."""

    def run_started(self, plan: Plan, folder: Path) -> None:
        """The jobs that will be done, and where they are stored."""

    def job_started(self, job: Job) -> None:
        """A job has a place to run now."""

    def job_finished(self, result: JobResult) -> None:
        """A job has its verdict."""

    def note(self, message: str) -> None:
        """Something that people should know, in one line."""

    def run_finished(self, result: RunResult) -> None:
        """All is over: done, or interrupted."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How many jobs run side by side."""

    tests: int = 1
    """And at most so many measurements."""
    cores: tuple[int, ...] = ()
    """What measurements have to themselves, one each; if there are none, they run one by one."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Runs the jobs of a run and has their bundles judged."""

    executor: Executor
    judge: Judge
    tests: Mapping[str, TestCase]
    """By name."""
    observer: Observer
    parallelism: Parallelism
    folder: Path
    """The run's, to which bundles are relative."""
    retries: int = 0
    """How often a job that does not pass is attempted again; one that was unlucky is once."""
    _controls: dict[str, ControlRecord] = field(default_factory=dict)
    """By their bundles' folders, what came of the jobs that others may have as their control."""

    async def run(self, jobs: Sequence[Job]) -> None:
        """Do all jobs. When it is cancelled, what runs is ended, and what was done stays done."""
        tests = [job for job in jobs if not self.tests[job.test].is_measurement]
        await self._test([job for job in tests if not job.control])
        await self._test([job for job in tests if job.control])
        await self._measure([job for job in jobs if self.tests[job.test].is_measurement])

    async def _test(self, jobs: Sequence[Job]) -> None:
        """Do jobs, as many side by side as asked, the longest first."""
        places = asyncio.Semaphore(self.parallelism.tests)

        async def do(job: Job) -> None:
            again: Job | None = job
            while again is not None:
                async with places:
                    self.observer.job_started(again)
                    fault = await self._attempted(again)
                again = await self._judged(again, fault)

        # One after the other, no order is shorter than the one that was asked for.
        in_order = jobs if self.parallelism.tests == 1 else self._longest_first(jobs)
        async with asyncio.TaskGroup() as group:
            for job in in_order:
                group.create_task(do(job))

    async def _measure(self, jobs: Sequence[Job]) -> None:
        """Do jobs in rounds, each of a round on a core of its own."""
        cores: tuple[int | None, ...] = self.parallelism.cores[: self.parallelism.tests] or (None,)
        waiting = self._longest_first(jobs)
        while waiting:
            now, waiting = waiting[: len(cores)], waiting[len(cores) :]
            for job in now:
                self.observer.job_started(job)
            await asyncio.gather(*(self.executor.prepare(job) for job in now))
            async with asyncio.TaskGroup() as group:
                attempts = [
                    group.create_task(self._attempted(job, core))
                    for job, core in zip(now, cores, strict=False)
                ]
            async with asyncio.TaskGroup() as group:
                judgements = [
                    group.create_task(self._judged(job, attempt.result()))
                    for job, attempt in zip(now, attempts, strict=True)
                ]
            waiting += [again for one in judgements if (again := one.result()) is not None]

    async def _attempted(self, job: Job, core: int | None = None) -> str:
        """Run a job once; returns what the executor raised, empty if nothing."""
        control = self._controls[job.control_job.folder] if job.control else None
        try:
            await self.executor.run(job, core, control)
        except Exception as error:  # noqa: BLE001 - it is this attempt's error, and no other's
            return describe(error)
        return ""

    async def _judged(self, job: Job, fault: str) -> Job | None:
        """Judge an attempt and store its verdict.

        Args:
            job: The attempt.
            fault: What the executor raised; empty if nothing.

        Returns:
            The next attempt at the job, if there is to be one.
        """
        bundle = self.folder / job.folder
        if fault:
            judgement = unjudged(fault)
        else:
            try:
                judgement = await self.judge.judge(bundle)
            except Exception as error:  # noqa: BLE001 - as above
                judgement = unjudged(
                    error.message if isinstance(error, UserError) else describe(error)
                )
        try:
            if fault:
                bundle.mkdir(parents=True, exist_ok=True)
                scenario = self.tests[job.test].scenario
                record = replace(new_record(job, scenario, judgement.judged_at), fault=fault)
                write_attempt(record, bundle)
            write_judgement(judgement, bundle)
            record = read_attempt(bundle)
        except (OSError, UserError) as error:
            record = unreadable(job)
            judgement = unjudged(f"its verdict cannot be stored: {error}")
        if job.tester is not None and not job.control:
            self._controls[job.folder] = _as_control(job, judgement.verdict)
        self.observer.job_finished(result_of(record, judgement, job.folder))
        again = is_tried_again(judgement.verdict, job.attempt, self.retries)
        return job.again() if again else None

    def _longest_first(self, jobs: Sequence[Job]) -> list[Job]:
        """By their time limits, then by the bytes of their files."""

        def effort(job: Job) -> tuple[float, int]:
            test = self.tests[job.test]
            return test.timeout_s, sum(test.files)

        return sorted(jobs, key=effort, reverse=True)


_PROBLEMS = {
    Outcome.FAILED: "failed",
    Outcome.CRASHED: "crashed",
    Outcome.TIMEOUT: "timed out",
    Outcome.ERROR: "ended in an error",
    Outcome.INCONCLUSIVE: "is inconclusive",
    Outcome.UNSUPPORTED: "is unsupported",
}
"""What is said of a control that did not pass."""


def _as_control(job: Job, verdict: Verdict) -> ControlRecord:
    """What a job says to those whose control it is."""
    verb = _PROBLEMS.get(verdict.outcome)
    problem = f"{verb}: {verdict.reason}" if verb else ""
    return ControlRecord(job.test, job.folder, problem, verdict.outcome is Outcome.UNSUPPORTED)
