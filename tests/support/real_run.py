"""A run of real endpoints in real namespaces, without a console around it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.run import RunOptions, execute
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.plan import select
from quicmatrix.runner.plan.implementations import load
from quicmatrix.runner.results.store import JobResult, RunResult
from quicmatrix.runner.sandbox.label import Label, Runner, attach, scratch_folder
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.trace import tshark

REFERENCE = next(one for one in load() if one.name == "reference")


class Silent:
    """Nobody watches."""

    def run_started(self, jobs: Sequence[Job], folder: Path) -> None: ...
    def job_started(self, job: Job) -> None: ...
    def job_finished(self, result: JobResult) -> None: ...
    def note(self, message: str) -> None: ...
    def run_finished(self, result: RunResult) -> None: ...


def do(
    jobs: Sequence[Job],
    folder: Path,
    *,
    run_id: str,
    parallel: int,
    cores: tuple[int, ...] = (),
) -> RunResult:
    """Do these jobs and store them in a new folder."""
    backend = NetnsBackend()
    try:
        backend.check()
        tshark.check()
    except UserError as error:
        pytest.fail(f"{error.message}: {error.hint}")
    with scratch_folder(folder.parent) as scratch:
        attach(Label(run_id, Runner.this()), scratch)
        options = RunOptions(folder, scratch, run_id, jobs[0].seed, parallel, cores=cores)
        selection = select.Selection((), (), ())
        return asyncio.run(execute(selection, jobs, options, backend, Silent()))
