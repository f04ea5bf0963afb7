"""A run: all jobs, as many side by side as asked, each result stored as soon as it is there.

Tests come first, side by side, the longest at the beginning, so that nobody waits for a single one
at the end. Measurements follow when the last test is over, in rounds: each has a core to itself,
and until all of a round are over, nothing else happens; captures are decoded after that.
Two that share the cores slow each other down by 2 to 4 %, two with a core each by 0.6 %
(docs/measurements.md).
"""

from __future__ import annotations

import asyncio
import platform
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from quicmatrix.runner.execute import unknown
from quicmatrix.runner.execute.attempt import Stage, attempt
from quicmatrix.runner.judge import judge
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.network.control import MiddleboxError
from quicmatrix.runner.plan.select import Selection
from quicmatrix.runner.results import store
from quicmatrix.runner.results.matrix import needs_attention
from quicmatrix.runner.results.store import JobResult, RunResult, TestInfo
from quicmatrix.runner.sandbox.model import Backend, Limits, SandboxError
from quicmatrix.runner.trace.model import Side


class Observer(Protocol):
    """Who is told of a run while it happens. Its methods return at once."""

    def run_started(self, jobs: Sequence[Job], folder: Path) -> None:
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
class RunOptions:
    """How to run what was selected."""

    folder: Path
    """Where to store it: a folder that nobody else writes to; it is made if it does not exist."""
    scratch: Path
    """An existing folder, labelled with the run's id, for what vanishes with an attempt."""
    run_id: str
    seed: int
    parallel: int = 1
    """How many tests run side by side, and at most so many measurements."""
    cores: tuple[int, ...] = ()
    """What measurements have to themselves, one each; if there are none, they run one by one."""
    retries: int = 0
    """How often a job that does not pass is attempted again."""
    compat: bool = False
    strict: bool = False
    command_line: str = ""
    repeat_with: tuple[str, ...] = ()
    """Options that the command which repeats a single job needs too."""
    cwd: Path = field(default_factory=Path.cwd)
    limits: Limits = field(default_factory=Limits)
    tools: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    """By implementation, what its image is when the run begins."""


async def execute(
    selection: Selection,
    jobs: Sequence[Job],
    options: RunOptions,
    backend: Backend,
    observer: Observer,
) -> RunResult:
    """Do all jobs, and store each result as it comes.

    When it is cancelled, what runs is ended, and what was done stays done: result.json then says
    that it is not complete.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    run = _Run(selection, jobs, options, backend, observer)
    observer.run_started(jobs, options.folder)
    for message in selection.left_out:
        observer.note(f"left out: {message}")
    store.write(run.result, options.folder)
    try:
        tests = [job for job in jobs if not job.test.is_measurement]
        measurements = [job for job in jobs if job.test.is_measurement]
        await run.test(tests)
        await run.measure(measurements)
        run.result = replace(run.result, complete=True)
    finally:
        run.result = replace(run.result, ended_at=time.time())
        store.write(run.result, options.folder)
        observer.run_finished(run.result)
    return run.result


def repeat_command(job: Job, options: Sequence[str] = ()) -> str:
    """The command that runs a job again, as a line for a shell: same pair, test and seed."""

    def word(role: Side, implementation: Implementation) -> str:
        given = implementation.given.get(role)
        return f"{implementation.name}={given}" if given else implementation.name

    client, server = word(Side.CLIENT, job.client), word(Side.SERVER, job.server)
    words = ["-c", client, "-s", server, "-t", job.test.name, "--seed", str(job.seed), *options]
    words += ["--repeat", "1"] if job.test.repetitions > 1 else []
    return shlex.join(["quicmatrix", "run", *words])


def _effort(job: Job) -> tuple[float, int]:
    """How long a job may take, for comparing it to others: its time limit, then its bytes."""
    return job.test.timeout_s, sum(job.test.files)


def _worth_another(result: JobResult) -> bool:
    """Whether another attempt may end otherwise: one that never got a bundle cannot."""
    return bool(result.folder) and needs_attention(result.verdict.outcome)


def tools() -> dict[str, str]:
    """The versions of what takes part in every run, for its result."""
    return {
        "quicmatrix": version("quicmatrix"),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


class _Run:
    """The state of a run: its result so far, and who has been asked for an unknown test."""

    def __init__(
        self,
        selection: Selection,
        jobs: Sequence[Job],
        options: RunOptions,
        backend: Backend,
        observer: Observer,
    ) -> None:
        self._options = options
        self._observer = observer
        self._stage = Stage(backend, options.run_id, options.scratch, options.cwd, options.limits)
        self._answers: dict[tuple[str, Side], Verdict | None] = {}
        self._asking: dict[tuple[str, Side], asyncio.Lock] = {}
        self.result = RunResult(
            run_id=options.run_id,
            started_at=time.time(),
            ended_at=time.time(),
            folder=str(options.folder),
            clients=tuple(one.name for one in selection.clients),
            servers=tuple(one.name for one in selection.servers),
            urls={one.name: one.url for one in (*selection.clients, *selection.servers)},
            tests=tuple(
                TestInfo(test.letter, test.name, test.summary, test.scenario, test.is_measurement)
                for test in selection.tests
            ),
            seed=options.seed,
            planned=len(jobs),
            command_line=options.command_line,
            compat=options.compat,
            strict=options.strict,
            tools=tools() | dict(options.tools),
            images=dict(options.images),
        )

    async def test(self, jobs: Sequence[Job]) -> None:
        """Do jobs, as many side by side as asked, the longest first."""
        free = asyncio.Semaphore(self._options.parallel)

        async def do_when_free(job: Job) -> None:
            async with free:
                again: Job | None = job
                while again:
                    again = await self._do(again, self._stage, asyncio.Barrier(1))

        # One after the other, no order is shorter than the one that was asked for.
        ordered = jobs if self._options.parallel == 1 else sorted(jobs, key=_effort, reverse=True)
        async with asyncio.TaskGroup() as group:
            for job in ordered:
                group.create_task(do_when_free(job))

    async def measure(self, jobs: Sequence[Job]) -> None:
        """Do jobs in rounds, each of a round on a core of its own."""
        cores: tuple[int | None, ...] = self._options.cores[: self._options.parallel] or (None,)
        waiting = sorted(jobs, key=_effort, reverse=True)
        while waiting:
            now, waiting = waiting[: len(cores)], waiting[len(cores) :]
            together = asyncio.Barrier(len(now))
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._do(job, replace(self._stage, core=core), together))
                    for job, core in zip(now, cores, strict=False)
                ]
            waiting += [again for task in tasks if (again := task.result())]

    async def _do(self, job: Job, stage: Stage, together: asyncio.Barrier) -> Job | None:
        """Attempt a job once.

        Args:
            job: What to do.
            stage: Where.
            together: Those who begin together, and leave each other the machine until all ended.

        Returns:
            The next attempt at it, if there is to be one.
        """
        self._observer.job_started(job)
        result = await self._attempted(job, stage, together)
        again = _worth_another(result) and job.attempt <= self._options.retries
        self.result = replace(
            self.result,
            jobs=(*self.result.jobs, result),
            planned=self.result.planned + again,
        )
        store.write(self.result, self._options.folder)
        self._observer.job_finished(result)
        return job.again() if again else None

    async def _attempted(self, job: Job, stage: Stage, together: asyncio.Barrier) -> JobResult:
        started_at, started = time.time(), time.monotonic()
        bundle = self._options.folder / job.folder
        answers = await asyncio.gather(
            self._answer(job.client, Side.CLIENT), self._answer(job.server, Side.SERVER)
        )
        verdict = answers[0] or answers[1]
        sample: Sample | None = None
        await together.wait()
        record = await attempt(job, bundle, stage) if verdict is None else None
        await together.wait()
        if record is not None:
            trace = await judge.decode(bundle)
            verdict, sample = judge.judge_and_measure(
                bundle,
                record,
                trace,
                job.test,
                compat=self._options.compat,
                strict=self._options.strict,
            )
        assert verdict is not None
        return JobResult(
            client=job.client.name,
            server=job.server.name,
            test=job.test.name,
            letter=job.test.letter,
            repetition=job.repetition,
            seed=job.seed,
            verdict=verdict,
            started_at=started_at,
            duration_s=time.monotonic() - started,
            folder=job.folder if record else "",
            command=repeat_command(job, self._options.repeat_with),
            attempt=job.attempt,
            sample=sample,
        )

    async def _answer(self, implementation: Implementation, role: Side) -> Verdict | None:
        """The verdict on all jobs of one that does not exit with 127 when it should."""
        key = (implementation.name, role)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._answers:
                folder = self._options.folder / "contract" / f"{implementation.name}_{role}"
                try:
                    self._answers[key] = await unknown.violation(
                        implementation, role, folder, self._stage
                    )
                except (SandboxError, MiddleboxError, OSError) as error:
                    reason = f"{type(error).__name__}: {error}"
                    self._answers[key] = Verdict(Outcome.ERROR, reason)
            return self._answers[key]
