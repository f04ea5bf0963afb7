"""The requirements of a verdict, counted and ordered for reading."""

from __future__ import annotations

from collections import Counter

from quicmatrix.runner.model.verdict import RequirementResult, Status, Verdict
from quicmatrix.testcases.model import Level

STATUSES = (Status.VIOLATED, Status.UNDETERMINED, Status.NOT_EXERCISED, Status.HELD)
"""In the order in which lists show them."""

STATUS_MARKS = {
    Status.VIOLATED: "✕",
    Status.UNDETERMINED: "≈",
    Status.NOT_EXERCISED: "-",
    Status.HELD: "✓",
}


def by_status(verdict: Verdict) -> tuple[RequirementResult, ...]:
    """All requirements, violated ones first; SHOULD last within a status."""
    return tuple(
        sorted(
            verdict.requirements,
            key=lambda one: (STATUSES.index(one.status), one.level is Level.SHOULD),
        )
    )


def status_counts(verdict: Verdict) -> dict[Status, int]:
    """How many requirements have each status, without those statuses that none has."""
    counted = Counter(one.status for one in verdict.requirements)
    return {status: counted[status] for status in STATUSES if counted[status]}
