"""A run: what was planned, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from quicmatrix.runner.model.implementation import Image, KnownOutcome
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Outcome, RecordedViolation, Status, Verdict
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level, Step


@dataclass(frozen=True, slots=True)
class TestInfo:
    """A test of the run, as reports need it."""

    __test__ = False

    name: str
    """Its id."""
    letter: str
    summary: str
    scenario: str
    is_measurement: bool = False
    overridden: tuple[str, ...] = ()
    """What the command line set otherwise, e.g. ``timeout=120s``."""
    level: Level | None = None
    """Of a conformance case's own requirement; None if it is none."""
    citation: str = ""
    """``RFC 9000, 4.5``; ``control`` for the control of others."""
    control: str = ""
    """The id of its control, which is its own if it is one; empty if it has none."""
    rows: tuple[str, ...] = ()
    """The rows of the catalogue that it covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What is settled when a run begins."""

    run_id: str
    started_at: float
    """Seconds since the epoch."""
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    urls: dict[str, str]
    tests: tuple[TestInfo, ...]
    seed: int
    retries: int = 0
    """How often a job that does not pass is attempted again."""
    command_line: str = ""
    compat: bool = False
    strict: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    """Name and version of all that takes part in it."""
    images: dict[str, Image] = field(default_factory=dict)
    """By implementation, what is started of those that run as images."""
    known: tuple[KnownOutcome, ...] = ()
    """What is known of the implementations that take part: no verdict depends on it."""

    @property
    def announced(self) -> tuple[KnownOutcome, ...]:
        """What is known and can be seen in this run: --compat makes nothing nonconformant."""
        return tuple(
            one for one in self.known if not self.compat or one.outcome is not Outcome.NONCONFORMANT
        )

    @property
    def is_conformance(self) -> bool:
        """Whether its tests are conformance cases: then each job has a tester."""
        return any(test.level is not None for test in self.tests)


@dataclass(frozen=True, slots=True)
class JobResult:
    """An attempt at a job, and its verdict."""

    client: str
    server: str
    test: str
    """The test's name, which is its id."""
    repetition: int
    seed: int
    verdict: Verdict
    started_at: float
    """Seconds since the epoch."""
    duration_s: float
    """Of the attempt, from the sandbox's creation to its removal."""
    folder: str
    """Its bundle, relative to the run's folder."""
    command: str
    """What runs it again."""
    attempt: int = 1
    """Which try at the job, from 1."""
    sample: Sample | None = None
    """What it measured; None if it is no measurement, or makes no sample."""
    tester: Side | None = None
    """The side that the tester of a conformance case played; None if there was none."""
    stimulus: tuple[Step, ...] = ()
    """What that tester sent as its stimulus; of very much, the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceCount:
    """What became of a requirement on what an implementation sends of itself, in all attempts."""

    implementation: str
    role: Side
    id: str
    """``rfc9000/12.3/packet-numbers``."""
    level: Level
    citation: str
    text: str
    held: int = 0
    """In how many attempts; so are the other two."""
    violated: int = 0
    undetermined: int = 0
    reason: str = ""
    """Why it is undetermined, where it is first."""
    violation: RecordedViolation | None = None
    """The first; None if there is none."""
    folder: str = ""
    """The bundle that has it, relative to the run's folder."""
    command: str = ""
    """What runs that attempt again."""

    @property
    def status(self) -> Status:
        """The worst of what it was."""
        if self.violated:
            return Status.VIOLATED
        return Status.UNDETERMINED if self.undetermined else Status.HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(RunInfo):
    """All of a run."""

    ended_at: float
    """Seconds since the epoch."""
    folder: str
    planned: int
    """How many attempts there were to make: one for each job, and those after attempts that did
    not pass."""
    jobs: tuple[JobResult, ...] = ()
    """Those that were done, in the order in which they were judged."""
    compliance: tuple[ComplianceCount, ...] = ()
    """By implementation, role and id, what endpoints sent of themselves; decides no verdict."""

    @property
    def complete(self) -> bool:
        """Whether all of them were done: not so after Ctrl-C."""
        return len(self.jobs) == self.planned

    def of(self, client: str, server: str, test: str) -> tuple[JobResult, ...]:
        """The attempts of one cell of the matrix that were done."""
        return tuple(
            job for job in self.jobs if (job.client, job.server, job.test) == (client, server, test)
        )
