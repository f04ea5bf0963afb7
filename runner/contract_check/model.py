"""Contract requirements, and what contract cases show of an implementation, as frozen values.

A contract requirement is a :class:`~quicmatrix.testcases.model.Requirement` on
:class:`Observations`. Its level is TEST if quic-interop-runner's runs fail or say something wrong
without it, and SHOULD if it is only recommended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from quicmatrix.runner.model.attempt import AttemptRecord, FileRecord
from quicmatrix.runner.model.verdict import RequirementResult, Status, Verdict
from quicmatrix.runner.sandbox.model import Exit
from quicmatrix.runner.trace.model import Side, Trace
from quicmatrix.testcases.model import (
    Check,
    Inconclusive,
    Level,
    Observation,
    Requirement,
    TestCase,
    requirement,
)

R = TypeVar("R")

# --- What is observed --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnknownTestcase:
    """What an implementation did when its TESTCASE was one that does not exist."""

    problem: str
    """What it did wrong; empty if it exited with 127."""
    exit: Exit | None
    """None if it did not end by itself."""
    duration_s: float


@dataclass(frozen=True, slots=True)
class EndpointLogs:
    """What the implementation under test wrote to /logs, standard output and standard error."""

    files: tuple[FileRecord, ...] = ()
    """All of /logs, and the log of standard output and error."""
    secrets: tuple[str, ...] = ()
    """The labels of the well-formed lines of its key log, e.g. ``CLIENT_TRAFFIC_SECRET_0``."""
    qlogs: tuple[str, ...] = ()
    """Names of the files in QLOGDIR that begin as a qlog does."""
    setup_ran: bool = False
    """Whether its output has the line that /setup.sh of the endpoint base image begins with."""
    last_line: str = ""
    """The last line of its output that is not empty."""


@dataclass(frozen=True, slots=True)
class ObservedAttempt:
    """An attempt with a peer."""

    test: TestCase
    """What was attempted."""
    observation: Observation
    """The trace is empty if the case's captures are not decoded."""
    verdict: Verdict
    """By the requirements of quic-interop-runner."""
    logs: EndpointLogs
    stop_duration_s: float | None = None
    """How long the implementation took from SIGTERM to its end; None if it got none."""
    modified_files: tuple[str, ...] = ()
    """What was added, changed or removed in /www and /certs, e.g. ``/certs/cert.pem``."""

    @property
    def record(self) -> AttemptRecord:
        """The attempt's record."""
        return self.observation.record


@dataclass(frozen=True, slots=True)
class EarlyStart:
    """What a client did that was started before the sim was ready."""

    exit: Exit | None
    """How it ended before the sim was ready; None if it did not."""
    datagrams: int | None
    """How many datagrams it sent to the server before; None if they could not be counted."""
    logs: EndpointLogs
    trace: Trace | None = None
    """What it sent when the sim was ready; None if it ended before."""


CaseResult = UnknownTestcase | ObservedAttempt | EarlyStart


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the engine says of an image without starting it."""

    architecture: str
    """As Docker calls it, e.g. ``amd64``; so is the next."""
    engine_architecture: str
    operating_system: str
    starts_with: tuple[str, ...]
    """Entry point and command."""
    has_setup_script: bool | None
    """Whether it has /setup.sh; None if the engine does not show its files."""
    user: str
    """Who its processes run as; empty: root."""
    size: int
    """In bytes."""

    @property
    def platform(self) -> str:
        """As Docker writes it, e.g. ``linux/amd64``."""
        return f"{self.operating_system}/{self.architecture}"

    @property
    def fits(self) -> bool:
        """Whether the engine's machine can run it."""
        return self.platform == f"linux/{self.engine_architecture}"


@dataclass(frozen=True, slots=True)
class Observations:
    """All that was observed of the implementation under test."""

    image: ImageFacts | None = None
    """None: it is a local command."""
    results: Mapping[str, CaseResult] = field(default_factory=dict)
    """By the case's name."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """By the name of a case without a result: why there is none."""
    launch_error: str = ""
    """Why it could not be started at all; empty if it could."""

    def attempt(self, case: str) -> ObservedAttempt:
        """The attempt of a case.

        Raises:
            Inconclusive: There is none, or the machine or the runner failed in it.
        """
        found = self._result(case, ObservedAttempt)
        if found.record.fault:
            raise Inconclusive(f"the machine or the runner failed: {found.record.fault}")
        return found

    def unknown_testcase(self, case: str) -> UnknownTestcase:
        """What it did for a TESTCASE that does not exist.

        Raises:
            Inconclusive: It was not asked.
        """
        return self._result(case, UnknownTestcase)

    def early_start(self, case: str) -> EarlyStart:
        """What the client did when it was started before the sim was ready.

        Raises:
            Inconclusive: It was not started so.
        """
        return self._result(case, EarlyStart)

    def _result(self, case: str, kind: type[R]) -> R:
        found = self.results.get(case)
        if not isinstance(found, kind):
            raise Inconclusive(self.skipped.get(case, f"the case {case} was not run"))
        return found


# --- Requirements ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContractRequirement:
    """A requirement of the contract, and what a report needs beside it."""

    requirement: Requirement[Observations]
    role: Side | None
    """Whom it is about; None: both."""
    hint: str
    """What to do when it is violated."""
    cases: tuple[str, ...]
    """The names of the cases that its check looks at."""

    @property
    def name(self) -> str:
        """The requirement's name, e.g. ``server_stops_on_sigterm``."""
        return self.requirement.name


def contract_requirement(
    level: Level,
    *cases: str,
    role: Side | None,
    hint: str,
    citation: str = "interop suite",
    compat: bool = False,
) -> Callable[[Check[Observations]], ContractRequirement]:
    """Turn a check into a :class:`ContractRequirement`, named after it, worded by its docstring."""

    def declare(check: Check[Observations]) -> ContractRequirement:
        declared = requirement(level, citation, compat=compat)(check)
        return ContractRequirement(declared, role, hint, cases)

    return declare


@dataclass(frozen=True, slots=True)
class ContractResult:
    """A contract requirement and its result."""

    about: ContractRequirement
    result: RequirementResult

    @property
    def decides(self) -> bool:
        """Whether the implementation does not fulfil the contract because of it."""
        return self.result.level is not Level.SHOULD and self.result.status in (
            Status.VIOLATED,
            Status.UNDETERMINED,
        )
