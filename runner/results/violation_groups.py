"""A verdict's violations, grouped for reading.

A check yields a violation for each packet that breaks its requirement, so one mistake of an
endpoint can give thousands. Reports show each requirement once, each message once below it, and
the packets that show it below that.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.model.verdict import RequirementResult, Verdict
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level


@dataclass(frozen=True, slots=True)
class Occurrence:
    """All violations of a requirement that have the same message and side."""

    message: str
    side: Side | None
    evidence: tuple[Evidence, ...]

    def frames(self, capture: Side) -> tuple[int, ...]:
        """The numbers of its frames in one capture, in ascending order."""
        return frames(self.evidence, capture)


@dataclass(frozen=True, slots=True)
class ViolationGroup:
    """A requirement that was violated, and everything that violates it."""

    requirement: RequirementResult
    occurrences: tuple[Occurrence, ...]


def violation_groups(verdict: Verdict) -> tuple[ViolationGroup, ...]:
    """The violated requirements of a verdict: SHOULD last, otherwise in the test case's order."""
    groups = (ViolationGroup(one, _occurrences(one)) for one in verdict.violated)
    return tuple(sorted(groups, key=lambda group: group.requirement.level is Level.SHOULD))


def frames(evidence: tuple[Evidence, ...], capture: Side) -> tuple[int, ...]:
    """The numbers of the frames that are in one capture, in ascending order."""
    return tuple(sorted({one.frame_number for one in evidence if one.capture is capture}))


def _occurrences(result: RequirementResult) -> tuple[Occurrence, ...]:
    seen: dict[tuple[str, Side | None], list[Evidence]] = {}
    for violation in result.violations:
        seen.setdefault((violation.message, violation.side), []).extend(violation.evidence)
    return tuple(
        Occurrence(message, side, tuple(evidence)) for (message, side), evidence in seen.items()
    )
