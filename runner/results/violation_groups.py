"""A verdict's violations, put together for reading.

A check yields a violation for each packet that breaks its requirement, so one mistake of an
endpoint can give thousands. A reader wants each requirement once, each thing that was seen once,
and the packets that show it below.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quicmatrix.runner.model.verdict import ReportedViolation
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level


@dataclass(frozen=True, slots=True)
class Sighting:
    """The same thing, seen by the same side, once or more often."""

    message: str
    side: Side | None
    evidence: tuple[Evidence, ...]

    def frames(self, capture: Side) -> tuple[int, ...]:
        """The numbers of its frames in one capture, in ascending order."""
        return tuple(sorted({one.frame_number for one in self.evidence if one.capture is capture}))


@dataclass(frozen=True, slots=True)
class Breach:
    """A requirement that does not hold; all but ``sightings`` is the requirement's own."""

    requirement: str
    level: Level
    citation: str
    text: str
    """Empty, as the citation is, for what no requirement covers."""
    sightings: tuple[Sighting, ...]


def breaches(violations: Iterable[ReportedViolation]) -> tuple[Breach, ...]:
    """Put violations together: SHOULD last, otherwise in the order of first appearance."""
    rules: dict[tuple[str, Level, str, str], dict[tuple[str, Side | None], list[Evidence]]] = {}
    for violation in violations:
        rule = (violation.requirement, violation.level, violation.citation, violation.text)
        seen = rules.setdefault(rule, {})
        seen.setdefault((violation.message, violation.side), []).extend(violation.evidence)
    found = [
        Breach(
            *rule,
            tuple(
                Sighting(message, side, tuple(evidence))
                for (message, side), evidence in seen.items()
            ),
        )
        for rule, seen in rules.items()
    ]
    return tuple(sorted(found, key=lambda breach: breach.level is Level.SHOULD))
