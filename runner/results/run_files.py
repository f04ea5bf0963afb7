"""The JSON files of a run: run.json, written when it begins, and result.json, collected at its end.

What an attempt was and what its verdict is stands in its bundle and nowhere else. So storing one
costs the same in a run of 5,000 jobs as in a run of one, and a run that is killed has lost nothing
but what was under way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from quicmatrix.runner.bundle.layout import ATTEMPT_FILE, VERDICT_FILE
from quicmatrix.runner.bundle.records import (
    check_format,
    read_attempt,
    read_json,
    read_judgement,
    write_file,
)
from quicmatrix.runner.bundle.tester_log import read_steps
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import AttemptRecord, LinkRecord, SideRecord
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunInfo, RunResult
from quicmatrix.runner.model.verdict import Judgement, Outcome, Verdict
from quicmatrix.runner.results import interop_json
from quicmatrix.runner.results.compliance import compliance_counts
from quicmatrix.runner.results.matrix import is_tried_again
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Step

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
FORMAT = 1
"""Version of run.json."""
MOST_STEPS = 5
"""How many steps of a tester with its stimulus a result has; the bundle has all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """run.json: what is settled when a run begins."""

    run: RunInfo
    jobs: tuple[Job, ...]
    format: int = FORMAT


def write_plan(plan: Plan, folder: Path) -> None:
    """Write run.json."""
    write_file(folder / RUN_FILE, msgspec.json.format(msgspec.json.encode(plan), indent=1))


def read_plan(folder: Path) -> Plan:
    """Read run.json.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    plan = read_json(folder / RUN_FILE, Plan)
    check_format(folder / RUN_FILE, plan.format, FORMAT)
    return plan


def write_result(result: RunResult, file: Path) -> None:
    """Write a run as quic-interop-runner does, and with what it has no words for."""
    write_file(file, msgspec.json.format(interop_json.encode(result), indent=1))


def load(path: Path) -> RunResult:
    """Read a run.

    Args:
        path: A result.json under any name, or the folder of a run, which needs none.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    if not path.is_dir():
        return interop_json.read(path)
    if (path / RESULT_FILE).is_file():
        return interop_json.read(path / RESULT_FILE)
    return collect(path)


def collect(folder: Path) -> RunResult:
    """Put a run together from its bundles, those that were judged.

    Raises:
        UserError: The folder has no run.json that can be read.
    """
    plan = read_plan(folder)
    found = [
        (judgement, replace(job_result, stimulus=stimulus(folder / job.folder, job_result.tester)))
        for first in plan.jobs
        for job, record, judgement in _attempts(first, folder)
        for job_result in [result_of(record, judgement, job.folder)]
    ]
    found.sort(key=lambda one: (one[0].judged_at, one[1].folder))
    info = {field.name: getattr(plan.run, field.name) for field in fields(RunInfo)}
    return RunResult(
        **info,
        folder=str(folder),
        ended_at=max((one.judged_at for one, _ in found), default=plan.run.started_at),
        planned=len(plan.jobs) + _further_attempts(plan, [result for _, result in found]),
        jobs=tuple(result for _, result in found),
        compliance=compliance_counts((result, one.compliance) for one, result in found),
    )


def stimulus(bundle: Path, tester: Side | None) -> tuple[Step, ...]:
    """What a bundle's tester sent as its stimulus, of very much the first; none without one."""
    if tester is None:
        return ()
    return tuple(step for step in read_steps(bundle, tester) if step.kind == "stimulus")[
        :MOST_STEPS
    ]


def result_of(record: AttemptRecord, judgement: Judgement, folder: str) -> JobResult:
    """An attempt and its verdict.

    Args:
        record: The attempt.
        judgement: Its verdict.
        folder: Its bundle, relative to the run's folder.
    """
    return JobResult(
        client=record.client_name,
        server=record.server_name,
        test=record.test,
        repetition=record.repetition,
        seed=record.seed,
        verdict=judgement.verdict,
        started_at=record.started_at,
        duration_s=record.duration_s,
        folder=folder,
        command=record.repeat_command,
        attempt=record.attempt,
        sample=judgement.sample,
        tester=record.tester,
    )


def _attempts(first: Job, folder: Path) -> Iterator[tuple[Job, AttemptRecord, Judgement]]:
    """The attempts at a job that were judged. One whose files are damaged is an error."""
    job = first
    while (folder / job.folder / VERDICT_FILE).is_file():
        try:
            yield job, read_attempt(folder / job.folder), read_judgement(folder / job.folder)
        except UserError as error:
            yield job, unreadable(job), Judgement(Verdict(Outcome.ERROR, error.message), 0.0, 0.0)
        job = job.again()


def unreadable(job: Job) -> AttemptRecord:
    """What is known of an attempt whose attempt.json or verdict.json cannot be read."""
    return AttemptRecord(
        client_name=job.client,
        server_name=job.server,
        test=job.test,
        scenario="",
        seed=job.seed,
        repetition=job.repetition,
        attempt=job.attempt,
        tester=job.tester,
        started_at=0.0,
        duration_s=0.0,
        server_ready=False,
        client=SideRecord(),
        server=SideRecord(),
        link=LinkRecord(),
        fault=f"{ATTEMPT_FILE} or {VERDICT_FILE} cannot be read",
    )


def _further_attempts(plan: Plan, results: Sequence[JobResult]) -> int:
    """How many attempts there were to make beyond the first at each job."""
    return sum(
        is_tried_again(result.verdict, result.attempt, plan.run.retries) for result in results
    )
