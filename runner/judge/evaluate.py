"""One requirement over one observation: what its check found, as a result. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

from quicmatrix.runner.errors import raised_at
from quicmatrix.runner.model.verdict import RecordedViolation, RequirementResult, Status
from quicmatrix.testcases.model import Evidence, Held, Inconclusive, Requirement, Violation

O = TypeVar("O")  # noqa: E741 - the observation's type

MOST_VIOLATIONS = 100
"""How many of one requirement are kept: an endpoint that runs wild may commit millions."""
MOST_EVIDENCE = 3
"""How many pieces of evidence are kept of what kept a requirement."""


class CheckError(Exception):
    """A check raised what it may not raise: a bug of ours, never an endpoint's verdict."""


def evaluate(requirement: Requirement[O], seen: O) -> RequirementResult:
    """Run a requirement's check.

    Raises:
        CheckError: The check has a bug; says which check, and where.
    """
    violations: list[RecordedViolation] = []
    evidence: list[Evidence] = []
    times_held = 0
    held_message = ""
    answer = ""
    reason = ""
    undetermined = False
    try:
        for finding in requirement(seen):
            match finding:
                case Violation():
                    answer = answer or finding.answer
                    violations.append(
                        RecordedViolation(finding.message, finding.side, finding.evidence)
                    )
                    if len(violations) == MOST_VIOLATIONS:
                        break
                case Held():
                    answer = answer or finding.answer
                    times_held += 1
                    held_message = held_message or finding.message
                    evidence += islice(finding.evidence, MOST_EVIDENCE - len(evidence))
                case _:
                    reason = finding.reason
    except Inconclusive as error:  # what was found before it stays found
        undetermined, reason = True, str(error)
    except Exception as error:
        raise CheckError(
            f"the check {requirement.name} raised {error!r} ({raised_at(error)})"
        ) from error
    if violations:
        status, reason = Status.VIOLATED, ""
    elif undetermined:
        status = Status.UNDETERMINED
    elif times_held:
        status, reason = Status.HELD, held_message
    else:
        status = Status.NOT_EXERCISED
    return RequirementResult(
        requirement=requirement.name,
        level=requirement.level,
        citation=requirement.citation,
        text=requirement.text,
        compat=requirement.compat,
        status=status,
        reason=reason,
        times_held=times_held,
        evidence=tuple(evidence),
        violations=tuple(violations),
        answer=answer,
    )
