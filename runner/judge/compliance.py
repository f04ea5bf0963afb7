"""What an attempt's endpoints sent of themselves, judged by the RFCs. Pure; decides no verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from quicmatrix.runner.judge.evaluate import CheckError, Senders, evaluate_for_sides, senders
from quicmatrix.runner.model.verdict import ComplianceResult, RequirementResult, Status
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Observation, Unprompted

MOST_VIOLATIONS = 5
"""How many of one requirement are kept: an attempt is one of many."""


def compliance(
    seen: Observation, requirements: Iterable[Unprompted]
) -> tuple[ComplianceResult, ...]:
    """What became of each requirement to which something applied, side by side.

    Nothing is asked of a tester, nor of its peer once it has been given a stimulus.
    """
    record = seen.record
    if record.fault or any(step.kind == "stimulus" for step in seen.steps):
        return ()
    sides = frozenset(Side) if record.tester is None else frozenset({record.tester.peer})
    sent_by = senders(seen.trace)
    return tuple(
        result
        for one in requirements
        for result in _results(one, seen, sides & one.roles, sent_by)
        if result.status is not Status.NOT_EXERCISED
    )


def _results(
    one: Unprompted, seen: Observation, sides: Iterable[Side], sent_by: Senders
) -> Iterator[ComplianceResult]:
    requirement = one.requirement
    bug = ""
    found: Mapping[Side, RequirementResult] = {}
    try:
        found = evaluate_for_sides(requirement, seen, sides, sent_by)
    except CheckError as error:
        bug = f"our fault: {error}"
    for side in sorted(sides):
        it = found.get(side)
        yield ComplianceResult(
            id=one.id,
            role=side,
            level=requirement.level,
            citation=requirement.citation,
            text=requirement.text,
            status=Status.UNDETERMINED if it is None else it.status,
            reason=bug if it is None else it.reason * (it.status is Status.UNDETERMINED),
            violations=() if it is None else it.violations[:MOST_VIOLATIONS],
        )
