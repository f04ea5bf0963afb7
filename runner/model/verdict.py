"""Verdicts on attempts: the result of each requirement, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level


class Outcome(StrEnum):
    """In one word, how an attempt ended."""

    PASSED = "passed"
    NONCONFORMANT = "nonconformant"
    """It works, but an RFC's MUST was broken on the way."""
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    """The endpoint itself exited with 127."""
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    INCONCLUSIVE = "inconclusive"
    """No keys, a damaged capture: we cannot tell."""
    ERROR = "error"
    """Our fault, or the machine's."""


class Status(StrEnum):
    """What became of a requirement in one attempt."""

    HELD = "held"
    VIOLATED = "violated"
    NOT_EXERCISED = "not exercised"
    """There was nothing to which it applies."""
    UNDETERMINED = "undetermined"
    """What was recorded cannot tell."""


@dataclass(frozen=True, slots=True)
class RecordedViolation:
    """One thing that breaks a requirement."""

    message: str
    """What was seen instead of what is required."""
    side: Side | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """A requirement, and what became of it in one attempt."""

    requirement: str
    """Its name."""
    level: Level
    citation: str
    text: str
    """The requirement itself, one sentence."""
    compat: bool
    """Whether quic-interop-runner checks it too."""
    status: Status
    reason: str = ""
    """Why it is undetermined or was not exercised; if held, what shows it where no packet does."""
    times_held: int = 0
    """How many things kept it."""
    evidence: tuple[Evidence, ...] = ()
    """Of the first of those."""
    violations: tuple[RecordedViolation, ...] = ()
    """All of them; of very many, the first."""
    answer: str = ""
    """How the implementation answered a stimulus: exact code, generic code, other code, silence,
    stateless reset, went on or gone; empty where there was none."""


@dataclass(frozen=True, slots=True)
class ComplianceResult:
    """What became of a requirement on what an endpoint sends of itself; decides no verdict."""

    id: str
    """``rfc9000/12.3/packet-numbers``."""
    role: Side
    """Whose it is."""
    level: Level
    citation: str
    text: str
    status: Status
    reason: str = ""
    """Why it is undetermined."""
    violations: tuple[RecordedViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one attempt, and why."""

    outcome: Outcome
    reason: str = ""
    """One line for people; empty if passed."""
    requirements: tuple[RequirementResult, ...] = ()
    """What became of each, in the order of the test case; none if the attempt was never made."""
    version: int | None = None
    """The QUIC version that the first connection ended up with; None if unknown."""
    unlucky: bool = False
    """Whether the scenario's chance decided, and no endpoint: with another seed it may be known."""

    @property
    def violated(self) -> Iterator[RequirementResult]:
        """The requirements that were violated, whether or not they decide the outcome."""
        return (one for one in self.requirements if one.status is Status.VIOLATED)


VERDICT_FORMAT = 1
"""Version of verdict.json."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What judging an attempt gave: verdict.json."""

    verdict: Verdict
    judged_at: float
    """Seconds since the epoch."""
    duration_s: float
    """What decoding and judging took."""
    sample: Sample | None = None
    """What it measured; None if it is no measurement, or makes no sample."""
    compat: bool = False
    strict: bool = False
    compliance: tuple[ComplianceResult, ...] = ()
    """Of each side, what it was asked of itself and there was something to judge."""
    format: int = VERDICT_FORMAT
