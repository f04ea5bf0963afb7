"""result.json: quic-interop-runner's keys, so that whatever reads its files reads ours, and more.

Beside its keys are ``run`` and ``jobs``, which hold everything that it has no words for,
``compliance``, what endpoints sent of themselves, and for conformance runs ``conformance``: the
requirements by section and implementation, which the page shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from quicmatrix.runner.bundle.records import check_format, read_json
from quicmatrix.runner.model.implementation import Image, KnownOutcome
from quicmatrix.runner.model.run import ComplianceCount, JobResult, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.conformance_report import conformance_report
from quicmatrix.runner.results.estimate import estimate, kbps
from quicmatrix.runner.results.matrix import settled
from quicmatrix.testcases.model import Level

_Place = tuple[str, str, str]
"""Client, server and test."""
FORMAT = 2
"""Version of ``run`` and ``jobs``."""


def encode(result: RunResult) -> bytes:
    """A run as JSON."""
    cells = [(client, server) for client in result.clients for server in result.servers]
    tests = _abbreviations(result.tests)
    attempts_of: dict[tuple[str, str, str], list[JobResult]] = defaultdict(list)
    for job in result.jobs:
        attempts_of[job.client, job.server, job.test].append(job)
    results = {
        (client, server, test.name): _interop_result(attempts_of[client, server, test.name])
        for client, server in cells
        for test in result.tests
    }
    if result.compat:
        results |= _unsupported_by_all(result, results)
    document = {
        "start_time": result.started_at,
        "end_time": result.ended_at,
        "log_dir": result.folder,
        "servers": result.servers,
        "clients": result.clients,
        "urls": result.urls,
        "tests": {
            abbreviation: _Test(
                test.name,
                test.summary,
                test.scenario,
                test.is_measurement,
                test.letter,
                test.overridden,
                test.level,
                test.citation,
                test.control,
                test.rows,
            )
            for abbreviation, test in tests.items()
        },
        "quic_version": "0x1",
        "results": [
            [
                _Abbreviated(abbreviation, test.name, results[client, server, test.name])
                for abbreviation, test in tests.items()
                if not test.is_measurement
            ]
            for client, server in cells
        ],
        "measurements": [
            [
                _measurement(abbreviation, test, attempts_of[client, server, test.name])
                for abbreviation, test in tests.items()
                # It has no word for one that cannot be told, and its page shows a broken link.
                if test.is_measurement and results[client, server, test.name]
            ]
            for client, server in cells
        ],
        "jobs_format": FORMAT,
        "run": _Run(
            run_id=result.run_id,
            seed=result.seed,
            planned=result.planned,
            retries=result.retries,
            complete=result.complete,
            command_line=result.command_line,
            compat=result.compat,
            strict=result.strict,
            tools=result.tools,
            images=result.images,
            known=result.known,
        ),
        "jobs": result.jobs,
        "compliance": result.compliance,
    }
    if result.is_conformance:
        document["conformance"] = conformance_report(result)
    return msgspec.json.encode(document)


def read(path: Path) -> RunResult:
    """Read a result.json that we wrote.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    document = read_json(path, _Document)
    check_format(path, document.jobs_format, FORMAT)
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
            TestInfo(
                test.name,
                test.letter or ("" if letter == test.name else letter),
                test.desc,
                test.scenario,
                test.is_measurement,
                test.overridden,
                test.level,
                test.citation,
                test.control,
                test.rows,
            )
            for letter, test in document.tests.items()
        ),
        seed=run.seed,
        planned=run.planned,
        retries=run.retries,
        jobs=document.jobs,
        compliance=document.compliance,
        command_line=run.command_line,
        compat=run.compat,
        strict=run.strict,
        tools=run.tools,
        images=run.images,
        known=run.known,
    )


def _measurement(abbreviation: str, test: TestInfo, attempts: Sequence[JobResult]) -> _Measurement:
    """quic-interop-runner's keys, and what it has no words for."""
    samples = [job.sample for job in settled(attempts) if job.sample]
    values = tuple(sample.kbps for sample in samples)
    shares = [sample.tcp_share for sample in samples if sample.tcp_share is not None]
    estimated = estimate(values) if values else None
    return _Measurement(
        abbr=abbreviation,
        name=test.name,
        result=_interop_result(attempts),
        details=kbps(estimated) if estimated else "",
        samples_kbps=values,
        mean_kbps=round(estimated.mean, 3) if estimated else None,
        deviation_kbps=round(estimated.deviation, 3)
        if estimated and estimated.deviation is not None
        else None,
        confidence_95_kbps=(round(estimated.low, 3), round(estimated.high, 3))
        if estimated
        else None,
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


def _unsupported_by_all(
    result: RunResult, results: Mapping[_Place, str | None]
) -> dict[_Place, str | None]:
    """What quic-interop-runner makes of a test that an implementation fails with all its peers.

    It calls such a test unsupported by it, unless there is one client, or one server, alone.
    """
    alone = {names[0] for names in (result.clients, result.servers) if len(names) == 1}
    measurements = {test.name for test in result.tests if test.is_measurement}
    found: dict[_Place, str | None] = {}
    for role, peers in enumerate((result.servers, result.clients)):
        rows: dict[tuple[str, str], list[_Place]] = defaultdict(list)
        for place in results:
            rows[place[role], place[2]].append(place)
        for (name, test), places in rows.items():
            words = {found.get(place, results[place]) for place in places}
            exempt = len(peers) < 2 or name in alone or test in measurements
            if not exempt and words <= {"failed", "unsupported"}:
                found |= dict.fromkeys(places, "unsupported")
    return found


def _abbreviations(tests: Iterable[TestInfo]) -> dict[str, TestInfo]:
    """Tests by their letters, as quic-interop-runner has them; by name where a letter is taken."""
    found: dict[str, TestInfo] = {}
    for test in tests:
        found[test.name if test.letter in found or not test.letter else test.letter] = test
    return found


@dataclass(frozen=True, slots=True)
class _Test:
    name: str
    desc: str
    scenario: str = ""
    is_measurement: bool = False
    letter: str = ""
    overridden: tuple[str, ...] = ()
    level: Level | None = None
    citation: str = ""
    control: str = ""
    rows: tuple[str, ...] = ()


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
    retries: int = 0
    images: dict[str, Image] = field(default_factory=dict)
    known: tuple[KnownOutcome, ...] = ()


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
    compliance: tuple[ComplianceCount, ...] = ()
