"""Results of requirements as reasons of a verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quicmatrix.runner.model.verdict import RequirementResult, Status
from quicmatrix.testcases.model import Level


def violations(results: Iterable[RequirementResult]) -> str:
    """The first violation, and how many more requirements were violated; empty if none was."""
    violated = [one for one in results if one.status is Status.VIOLATED]
    if not violated:
        return ""
    others = len(violated) - 1
    more = f" (and {others} more {'requirement' if others == 1 else 'requirements'})"
    return f"{_blame(violated[0])}{more if others else ''}"


def _blame(violated: RequirementResult) -> str:
    """A requirement's first violation, and whose it is."""
    first = violated.violations[0]
    said = first.side is None or first.message.startswith(f"the {first.side} ")
    return first.message if said else f"the {first.side}: {first.message}"


def open_questions(results: Iterable[RequirementResult]) -> str:
    """What cannot be determined of them, and what of the test case was not exercised, by reason."""
    names: dict[str, list[str]] = {}
    for one in results:
        skipped = one.status is Status.NOT_EXERCISED and one.level is Level.TEST
        if one.status is Status.UNDETERMINED or skipped:
            reason = one.reason or "there was nothing to which it applies"
            names.setdefault(reason, []).append(one.requirement)
    return "; ".join(
        f"{first}{f' and {len(others)} more' if others else ''}: {reason}"
        for reason, (first, *others) in names.items()
    )


def leans_on_the_link(result: RequirementResult) -> bool:
    """Whether it is violated, and what the link did may be why."""
    shown = all(one.evidence for one in result.violations)
    return result.status is Status.VIOLATED and (not shown or result.level is Level.TEST)


def undetermined(result: RequirementResult, link: str) -> RequirementResult:
    """A result where the link did what no endpoint is to blame for."""
    if not leans_on_the_link(result):
        return result
    reason = f"{_blame(result)}, but {link}"
    return replace(result, status=Status.UNDETERMINED, reason=reason, violations=())


def without_attempt(result: RequirementResult) -> RequirementResult:
    """A requirement's result where nothing was started: only what was violated says anything."""
    if result.status is Status.VIOLATED and not any(one.evidence for one in result.violations):
        return result
    reason = "the attempt was not made"
    return replace(result, status=Status.NOT_EXERCISED, reason=reason, violations=())
