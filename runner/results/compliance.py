"""What endpoints sent of themselves in a whole run, by implementation, role and requirement. Pure.

It decides no verdict: a requirement that is violated here makes no attempt anything but what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quicmatrix.runner.model.run import ComplianceCount, JobResult
from quicmatrix.runner.model.verdict import ComplianceResult, Status
from quicmatrix.runner.results.sections import section_order
from quicmatrix.runner.trace.model import Side


def compliance_counts(
    attempts: Iterable[tuple[JobResult, tuple[ComplianceResult, ...]]],
) -> tuple[ComplianceCount, ...]:
    """How often each requirement was held, violated and undetermined, and its first violation.

    Args:
        attempts: In order; with what became of the requirements in each.
    """
    found: dict[tuple[str, Side, str], ComplianceCount] = {}
    for job, results in attempts:
        for result in results:
            name = job.client if result.role is Side.CLIENT else job.server
            key = (name, result.role, result.id)
            found[key] = _with(found.get(key) or _new(name, result), job, result)
    ordered = sorted(found.values(), key=lambda one: section_order(one.id))
    return tuple(sorted(ordered, key=lambda one: (one.implementation, one.role)))


def _new(name: str, result: ComplianceResult) -> ComplianceCount:
    return ComplianceCount(
        implementation=name,
        role=result.role,
        id=result.id,
        level=result.level,
        citation=result.citation,
        text=result.text,
    )


def _with(count: ComplianceCount, job: JobResult, result: ComplianceResult) -> ComplianceCount:
    match result.status:
        case Status.HELD:
            return replace(count, held=count.held + 1)
        case Status.VIOLATED if not count.violated:
            first = next(iter(result.violations), None)
            seen = replace(count, violation=first, folder=job.folder, command=job.command)
            return replace(seen, violated=1)
        case Status.VIOLATED:
            return replace(count, violated=count.violated + 1)
        case Status.UNDETERMINED:
            reason = count.reason or result.reason
            return replace(count, undetermined=count.undetermined + 1, reason=reason)
        case _:
            return count
