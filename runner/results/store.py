"""What a run stores: result.json, and in every bundle attempt.json.

result.json has quic-interop-runner's keys, so that whatever reads its files reads ours, and beside
them ``run`` and ``jobs``, which hold everything that it has no words for. Files appear as a whole
or not at all, and result.json is brought up to date after each job, so that a run that is killed
has lost nothing but the jobs that were under way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import FORMAT, AttemptRecord
from quicmatrix.runner.model.implementation import Image
from quicmatrix.runner.model.measurement import Sample, Series
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.estimate import estimate

RESULT_FILE = "result.json"
ATTEMPT_FILE = "attempt.json"
SERIES_FILE = "series.json"


@dataclass(frozen=True, slots=True)
class TestInfo:
    """A test of the run, as reports need it."""

    __test__ = False

    letter: str
    name: str
    summary: str
    scenario: str
    is_measurement: bool = False


@dataclass(frozen=True, slots=True)
class JobResult:
    """An attempt at a job, and its verdict."""

    client: str
    server: str
    test: str
    letter: str
    repetition: int
    seed: int
    verdict: Verdict
    started_at: float
    """Seconds since the epoch."""
    duration_s: float
    folder: str
    """Its bundle, relative to the run's folder; empty if it was never started."""
    command: str
    """What runs it again."""
    attempt: int = 1
    """Which try at the job, from 1."""
    sample: Sample | None = None
    """What it measured; None if it is no measurement, or makes no sample."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """All of a run."""

    run_id: str
    started_at: float
    """Seconds since the epoch, as is ``ended_at``."""
    ended_at: float
    folder: str
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    urls: dict[str, str]
    tests: tuple[TestInfo, ...]
    seed: int
    planned: int
    """How many attempts there were to make: one for each job, and those after attempts that did
    not pass."""
    jobs: tuple[JobResult, ...] = ()
    """Those that were done, in the order in which they ended."""
    complete: bool = False
    """Whether all of them were done: not so after Ctrl-C."""
    command_line: str = ""
    compat: bool = False
    strict: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    """Name and version of all that took part in it."""
    images: dict[str, Image] = field(default_factory=dict)
    """By implementation, what was started of those that ran as images."""

    def of(self, client: str, server: str, letter: str) -> tuple[JobResult, ...]:
        """The repetitions of one cell of the matrix that were done."""
        return tuple(
            job
            for job in self.jobs
            if (job.client, job.server, job.letter) == (client, server, letter)
        )


def write(result: RunResult, folder: Path) -> None:
    """Write a run as result.json into a folder."""
    cells = [(client, server) for client in result.clients for server in result.servers]
    document = {
        "start_time": result.started_at,
        "end_time": result.ended_at,
        "log_dir": result.folder,
        "servers": result.servers,
        "clients": result.clients,
        "urls": result.urls,
        "tests": {
            test.letter: _Test(test.name, test.summary, test.scenario, test.is_measurement)
            for test in result.tests
        },
        "quic_version": "0x1",
        "results": [
            [
                _Abbreviated(test.letter, test.name, _interop_result(attempts))
                for test in result.tests
                if not test.is_measurement
                for attempts in [result.of(client, server, test.letter)]
            ]
            for client, server in cells
        ],
        "measurements": [
            [
                _measurement(test, result.of(client, server, test.letter))
                for test in result.tests
                if test.is_measurement
            ]
            for client, server in cells
        ],
        "jobs_format": FORMAT,
        "run": _Run(
            run_id=result.run_id,
            seed=result.seed,
            planned=result.planned,
            complete=result.complete,
            command_line=result.command_line,
            compat=result.compat,
            strict=result.strict,
            tools=result.tools,
            images=result.images,
        ),
        "jobs": result.jobs,
    }
    write_file(folder / RESULT_FILE, msgspec.json.format(msgspec.json.encode(document), indent=1))


def load(path: Path) -> RunResult:
    """Read a result.json that we wrote.

    Args:
        path: The file, or the run's folder.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    if path.is_dir():
        path = path / RESULT_FILE
    document = _read(path, _Document)
    if document.jobs_format != FORMAT:
        raise UserError(
            f"{path}: format {document.jobs_format} is not {FORMAT}", "a newer quicmatrix wrote it"
        )
    run = document.run
    return RunResult(
        run_id=run.run_id,
        started_at=document.start_time,
        ended_at=document.end_time,
        folder=document.log_dir,
        clients=document.clients,
        servers=document.servers,
        urls=document.urls,
        tests=tuple(
            TestInfo(letter, test.name, test.desc, test.scenario, test.is_measurement)
            for letter, test in document.tests.items()
        ),
        seed=run.seed,
        planned=run.planned,
        jobs=document.jobs,
        complete=run.complete,
        command_line=run.command_line,
        compat=run.compat,
        strict=run.strict,
        tools=run.tools,
        images=run.images,
    )


def write_attempt(record: AttemptRecord, folder: Path) -> None:
    """Write attempt.json into a bundle."""
    write_file(folder / ATTEMPT_FILE, msgspec.json.format(msgspec.json.encode(record), indent=1))


def read_attempt(folder: Path) -> AttemptRecord:
    """Read a bundle's attempt.json.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    record = _read(folder / ATTEMPT_FILE, AttemptRecord)
    if record.format != FORMAT:
        raise UserError(f"{folder}: format {record.format} is not {FORMAT}")
    return record


def write_series(series: Series, bundle: Path) -> None:
    """Write series.json into a bundle."""
    write_file(bundle / SERIES_FILE, msgspec.json.encode(series) + b"\n")


def read_series(bundle: Path) -> Series | None:
    """Read a bundle's series.json; None if it has none.

    Raises:
        UserError: It is damaged.
    """
    path = bundle / SERIES_FILE
    return _read(path, Series) if path.is_file() else None


def settled(jobs: Iterable[JobResult]) -> tuple[JobResult, ...]:
    """Of each job its last attempt, which speaks for it, in the order of the first ones."""
    last: dict[tuple[str, str, str, int], JobResult] = {}
    for job in jobs:
        key = (job.client, job.server, job.test, job.repetition)
        if key not in last or last[key].attempt < job.attempt:
            last[key] = job
    return tuple(last.values())


def kbps(samples: Sequence[float]) -> str:
    """Samples in quic-interop-runner's words: ``9104 (± 141) kbps``; empty if there are none."""
    if not samples:
        return ""
    said = estimate(samples)
    return f"{said.mean:.0f} (± {said.deviation:.0f}) kbps"


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is either there as a whole or as it was before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _measurement(test: TestInfo, attempts: Sequence[JobResult]) -> _Measurement:
    """quic-interop-runner's keys, and what it has no words for."""
    samples = [job.sample for job in settled(attempts) if job.sample]
    figures = tuple(sample.kbps for sample in samples)
    shares = [sample.tcp_share for sample in samples if sample.tcp_share is not None]
    said = estimate(figures) if figures else None
    return _Measurement(
        abbr=test.letter,
        name=test.name,
        result=_interop_result(attempts),
        details=kbps(figures),
        samples_kbps=figures,
        mean_kbps=round(said.mean, 3) if said else None,
        deviation_kbps=round(said.deviation, 3) if said else None,
        confidence_95_kbps=(round(said.low, 3), round(said.high, 3)) if said else None,
        tcp_share=round(sum(shares) / len(shares), 4) if shares else None,
        doubts=tuple(dict.fromkeys(sample.doubt for sample in samples if sample.doubt)),
    )


def _interop_result(attempts: Sequence[JobResult]) -> str | None:
    """quic-interop-runner's word for a cell: the worst that was seen, None where we cannot tell."""
    outcomes = {attempt.verdict.outcome for attempt in settled(attempts)}
    if outcomes & {Outcome.FAILED, Outcome.TIMEOUT, Outcome.CRASHED}:
        return "failed"
    if not outcomes or outcomes & {Outcome.INCONCLUSIVE, Outcome.ERROR}:
        return None
    return "unsupported" if Outcome.UNSUPPORTED in outcomes else "succeeded"


@dataclass(frozen=True, slots=True)
class _Test:
    name: str
    desc: str
    scenario: str = ""
    is_measurement: bool = False


@dataclass(frozen=True, slots=True)
class _Abbreviated:
    abbr: str
    name: str
    result: str | None


@dataclass(frozen=True, slots=True)
class _Measurement:
    abbr: str
    name: str
    result: str | None
    details: str
    samples_kbps: tuple[float, ...]
    mean_kbps: float | None
    deviation_kbps: float | None
    confidence_95_kbps: tuple[float, float] | None
    tcp_share: float | None
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    run_id: str
    seed: int
    planned: int
    complete: bool
    command_line: str
    compat: bool
    strict: bool
    tools: dict[str, str]
    images: dict[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Document:
    """result.json, as it stands there, less what is derived from ``jobs``."""

    start_time: float
    end_time: float
    log_dir: str
    servers: tuple[str, ...]
    clients: tuple[str, ...]
    urls: dict[str, str]
    tests: dict[str, _Test]
    run: _Run
    jobs: tuple[JobResult, ...]
    jobs_format: int


T = TypeVar("T")


def _read(path: Path, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "the folder of a run, or of one bundle in it, is expected"
        ) from error
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: {error}", "it is damaged, or no quicmatrix wrote it") from error
