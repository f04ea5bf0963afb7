"""One requirement over one observation: what its check found, as a result. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeVar

from quicmatrix.runner.errors import raised_at
from quicmatrix.runner.model.verdict import RecordedViolation, RequirementResult, Status
from quicmatrix.runner.trace.model import Side, Trace
from quicmatrix.testcases.model import (
    Evidence,
    Finding,
    Held,
    Inconclusive,
    Observation,
    Requirement,
    Violation,
)

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
    return _result(requirement, *_findings(requirement, seen))


Senders = Mapping[tuple[Side, int], Side]
"""Who sent each datagram, by capture and frame number."""


def senders(trace: Trace) -> Senders:
    """Who sent each datagram of both captures."""
    return {
        (capture.side, datagram.frame_number): datagram.sender
        for capture in (trace.left, trace.right)
        for datagram in capture.datagrams
    }


def evaluate_for_sides(
    requirement: Requirement[Observation],
    seen: Observation,
    sides: Iterable[Side],
    sent_by: Senders,
) -> dict[Side, RequirementResult]:
    """Run a requirement's check once, and tell apart what it found of each side.

    Args:
        requirement: Whose check.
        seen: What was observed.
        sides: Those that are asked about.
        sent_by: The :func:`senders` of the trace, which several requirements share.

    Raises:
        CheckError: The check has a bug.
    """
    findings, undetermined = _findings(requirement, seen)

    def is_of(finding: Finding, side: Side) -> bool:
        if isinstance(finding, Violation):
            return finding.side is side
        if isinstance(finding, Held) and finding.evidence:
            first = finding.evidence[0]
            return sent_by.get((first.capture, first.frame_number)) is side
        return True

    return {
        side: _result(requirement, [one for one in findings if is_of(one, side)], undetermined)
        for side in sides
    }


def _findings(requirement: Requirement[O], seen: O) -> tuple[list[Finding], str | None]:
    """What a check found, and why it could not tell more; None if it could."""
    findings: list[Finding] = []
    violations = 0
    try:
        for finding in requirement(seen):
            findings.append(finding)
            violations += isinstance(finding, Violation)
            if violations == MOST_VIOLATIONS:
                break
    except Inconclusive as error:  # what was found before it stays found
        return findings, str(error)
    except Exception as error:
        raise CheckError(
            f"the check {requirement.name} raised {error!r} ({raised_at(error)})"
        ) from error
    return findings, None


def _result(
    requirement: Requirement[O], findings: Iterable[Finding], undetermined: str | None
) -> RequirementResult:
    violations: list[RecordedViolation] = []
    evidence: list[Evidence] = []
    times_held = 0
    held_message = reason = answer = ""
    for finding in findings:
        match finding:
            case Violation():
                violations.append(
                    RecordedViolation(finding.message, finding.side, finding.evidence)
                )
                answer = answer or finding.answer
            case Held():
                times_held += 1
                held_message = held_message or finding.message
                answer = answer or finding.answer
                evidence += islice(finding.evidence, MOST_EVIDENCE - len(evidence))
            case _:
                reason = finding.reason
    if violations:
        status, reason = Status.VIOLATED, ""
    elif undetermined is not None:
        status, reason = Status.UNDETERMINED, undetermined
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
