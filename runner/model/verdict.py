"""Verdicts on attempts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level


class Outcome(StrEnum):
    """In one word, how an attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    """The endpoint itself exited with 127."""
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    INCONCLUSIVE = "inconclusive"
    """No keys, a damaged capture: we cannot tell."""
    ERROR = "error"
    """Our fault, or the machine's."""


@dataclass(frozen=True, slots=True)
class ReportedViolation:
    """A violation together with the requirement that it breaks."""

    requirement: str
    """The requirement's name; empty for what no requirement covers, such as a wrong file."""
    level: Level
    citation: str
    text: str
    """The requirement itself, one sentence."""
    message: str
    """What was seen instead."""
    side: Side | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one attempt, and why."""

    outcome: Outcome
    reason: str = ""
    """One line for people; empty if passed."""
    violations: tuple[ReportedViolation, ...] = ()
    """Every breach seen, those that do not decide the outcome included."""
    version: int | None = None
    """The QUIC version that the first connection ended up with; None if unknown."""
