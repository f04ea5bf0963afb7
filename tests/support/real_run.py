"""A run of real endpoints in real namespaces, without a console around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.attempt import Names, Stage
from quicmatrix.runner.execute.run import RunOptions, execute
from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.judge.bundle import judge_bundle
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunInfo, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Judgement
from quicmatrix.runner.plan.implementations import load
from quicmatrix.runner.results.run_files import Plan
from quicmatrix.runner.sandbox.label import Label, Runner, attach, scratch_folder
from quicmatrix.runner.sandbox.model import MIB, Limits
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.trace import tshark
from quicmatrix.testcases.model import TestCase

REFERENCE = next(one for one in load() if one.name == "reference")


class Silent:
    """Nobody watches."""

    def run_started(self, plan: Plan, folder: Path) -> None: ...
    def job_started(self, job: Job) -> None: ...
    def job_finished(self, result: JobResult) -> None: ...
    def note(self, message: str) -> None: ...
    def run_finished(self, result: RunResult) -> None: ...


@dataclass(frozen=True, slots=True)
class ThreadJudge:
    """Judges by test cases that are not installed, which no other process knows."""

    tests: Mapping[str, TestCase]

    async def judge(self, bundle: Path) -> Judgement:
        return await asyncio.to_thread(judge_bundle, bundle, self.tests, Policy())


def do(
    jobs: Sequence[Job],
    tests: Sequence[TestCase],
    folder: Path,
    *,
    run_id: str,
    parallelism: Parallelism,
    implementations: Sequence[Implementation] = (REFERENCE,),
    limits: Limits = Limits(log_bytes=64 * MIB),  # noqa: B008 - immutable
) -> RunResult:
    """Do these jobs and store them in a new folder."""
    backend = NetnsBackend()
    try:
        backend.check()
        tshark.check()
    except UserError as error:
        raise AssertionError(f"{error.message}: {error.hint}") from error
    everybody = {one.name: one for one in implementations}
    cases = {one.name: one for one in tests}
    info = RunInfo(
        run_id=run_id,
        started_at=0.0,
        clients=tuple(everybody),
        servers=tuple(everybody),
        urls={},
        tests=tuple(
            TestInfo(one.name, one.letter, one.summary, one.scenario, one.is_measurement)
            for one in tests
        ),
        seed=jobs[0].seed,
    )
    with scratch_folder(folder.parent) as scratch:
        attach(Label(run_id, Runner.this()), scratch)
        stage = Stage(backend, run_id, scratch, Path.cwd(), limits)
        options = RunOptions(folder, stage, Names(everybody, cases), parallelism)
        work = execute(Plan(info, tuple(jobs)), options, ThreadJudge(cases), Silent())
        return asyncio.run(work)
