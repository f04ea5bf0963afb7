"""A run on this machine, from the jobs to result.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quicmatrix.runner.execute.attempt import Names, Stage
from quicmatrix.runner.execute.executor import LocalExecutor
from quicmatrix.runner.execute.scheduler import Observer, Parallelism, Scheduler
from quicmatrix.runner.judge.pool import Judge
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.results.run_files import (
    RESULT_FILE,
    Plan,
    collect,
    write_plan,
    write_result,
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run what was planned."""

    folder: Path
    """Where to store it: a folder that nobody else writes to; it is made if it does not exist."""
    stage: Stage
    names: Names
    parallelism: Parallelism = field(default_factory=Parallelism)
    repeat_with: Sequence[str] = ()
    """Options that the command which repeats a single job needs too."""


async def execute(plan: Plan, options: RunOptions, judge: Judge, observer: Observer) -> RunResult:
    """Do all jobs of a plan, and collect what came of them.

    When it is cancelled, what runs is ended, and what was done stays done: result.json then says
    that it is not complete.
    """
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_plan(plan, folder)
    observer.run_started(plan, folder)
    scheduler = Scheduler(
        LocalExecutor(options.names, options.stage, folder, options.repeat_with),
        judge,
        options.names.tests,
        observer,
        options.parallelism,
        folder,
        plan.run.retries,
    )
    try:
        await scheduler.run(plan.jobs)
    finally:
        result = collect(folder)
        write_result(result, folder / RESULT_FILE)
        observer.run_finished(result)
    return result
