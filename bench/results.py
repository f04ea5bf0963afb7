"""What it costs to store one job's result, at the beginning of a long run and at its end.

    .venv/bin/python bench/results.py [JOBS]

Everything that happens in the runner's own process for a finished job is done: attempt.json and
verdict.json are written and read, and observers hear of it. Attempts and judging are left out.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from statistics import median

from rich.console import Console

from quicmatrix.runner.bundle.records import write_attempt
from quicmatrix.runner.console.lines import Lines
from quicmatrix.runner.console.live import Display
from quicmatrix.runner.execute.attempt import new_record
from quicmatrix.runner.execute.scheduler import Parallelism, Scheduler
from quicmatrix.runner.model.attempt import ControlRecord
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunInfo, RunResult, TestInfo
from quicmatrix.runner.model.verdict import (
    Judgement,
    Outcome,
    RequirementResult,
    Status,
    Verdict,
)
from quicmatrix.runner.results.run_files import (
    RESULT_FILE,
    Plan,
    collect,
    load,
    write_plan,
    write_result,
)
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level, TestCase

SUITE = 25
REQUIREMENT = RequirementResult(
    "client_repeats_the_token",
    Level.MUST,
    "RFC 9000, 8.1.2",
    "The client repeats the Retry's token in all Initial packets it sends afterwards.",
    compat=False,
    status=Status.HELD,
    times_held=7,
    evidence=(Evidence(Side.CLIENT, 3, 0.031, "Initial", 1),) * 3,
)


class Instant:
    """An executor and a judge that have nothing to do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def prepare(self, job: Job) -> None:
        """Nothing."""

    async def run(
        self,
        job: Job,
        core: int | None = None,  # noqa: ARG002
        control: ControlRecord | None = None,  # noqa: ARG002
    ) -> Path:
        """A record of an attempt that was never made."""
        bundle = self._folder / job.folder
        bundle.mkdir(parents=True)
        write_attempt(new_record(job, "simple-p2p", time.time()), bundle)
        return bundle

    async def judge(self, bundle: Path) -> Judgement:  # noqa: ARG002
        """Twelve requirements held."""
        verdict = Verdict(Outcome.PASSED, requirements=(REQUIREMENT,) * 12, version=1)
        return Judgement(verdict, time.time(), 0.1)


class Timer:
    """An observer that hands on to others, and notes when each job is finished."""

    def __init__(self, *others: Lines | Display) -> None:
        self._others = others
        self.at: list[float] = []

    def run_started(self, plan: Plan, folder: Path) -> None:
        """The clock starts."""
        for one in self._others:
            one.run_started(plan, folder)
        self.at.append(time.perf_counter())

    def job_started(self, job: Job) -> None:
        """Handed on."""
        for one in self._others:
            one.job_started(job)

    def job_finished(self, result: JobResult) -> None:
        """One more job is done."""
        for one in self._others:
            one.job_finished(result)
        self.at.append(time.perf_counter())

    def note(self, message: str) -> None:
        """Nothing."""

    def run_finished(self, result: RunResult) -> None:
        """Nothing."""


def plan_of(count: int) -> Plan:
    """Some jobs of a matrix that is as square as it can be."""
    pairs = -(-count // SUITE)
    tests = tuple(TestInfo(f"test{n}", f"T{n}", "It works.", "simple-p2p") for n in range(SUITE))
    size = next(n for n in range(1, count + 1) if n * n >= pairs)
    names = tuple(f"stack{n}" for n in range(size))
    jobs = [
        Job.of(client, server, test.name, 7)
        for client in names
        for server in names
        for test in tests
    ]
    info = RunInfo(
        run_id="bench", started_at=0.0, clients=names, servers=names, urls={}, tests=tests, seed=7
    )
    return Plan(info, tuple(jobs[:count]))


def main(count: int) -> None:
    """Measure and print."""
    plan = plan_of(count)
    case = TestCase("", "", "", "", "", ())
    tests = {one.name: replace(case, name=one.name) for one in plan.run.tests}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        folder.mkdir()
        write_plan(plan, folder)
        instant = Instant(folder)
        screen = Console(file=StringIO(), force_terminal=True, width=200, height=200)
        with Display(screen, clock=time.monotonic) as display:
            timer = Timer(Lines(Console(file=StringIO())), display)
            timer.run_started(plan, folder)
            scheduler = Scheduler(instant, instant, tests, timer, Parallelism(4), folder)
            asyncio.run(scheduler.run(plan.jobs))
        costs = [1000 * (b - a) for a, b in zip(timer.at, timer.at[1:], strict=False)]
        tenth = max(count // 10, 1)
        first, last = median(costs[:tenth]), median(costs[-tenth:])
        print(
            f"{count} jobs: one result costs {first:.2f} ms at the beginning (median of {tenth}),"
        )
        print(f"{last:.2f} ms at the end: ratio {last / first:.2f}")
        began = time.perf_counter()
        result = collect(folder)
        collected = time.perf_counter()
        write_result(result, folder / RESULT_FILE)
        written = time.perf_counter()
        size = (folder / RESULT_FILE).stat().st_size / 1e6
        assert load(folder) == result
        print(
            f"once: collected in {collected - began:.2f} s, written in {written - collected:.2f} s"
        )
        print(f"result.json: {size:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
