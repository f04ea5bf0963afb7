"""All contract requirements, in the order of the report, and their evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from quicmatrix.runner.contract_check import (
    client_requirements,
    image_requirements,
    server_requirements,
)
from quicmatrix.runner.contract_check.cases import TESTCASES, ContractCase
from quicmatrix.runner.contract_check.model import (
    ContractRequirement,
    ContractResult,
    Observations,
)
from quicmatrix.runner.contract_check.testcase_requirements import testcase_requirements
from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.plan.select import unknown
from quicmatrix.runner.trace.model import Side

REQUIREMENTS: tuple[ContractRequirement, ...] = (
    *image_requirements.REQUIREMENTS,
    *server_requirements.REQUIREMENTS,
    *testcase_requirements(Side.SERVER, TESTCASES[Side.SERVER]),
    *client_requirements.REQUIREMENTS,
    *testcase_requirements(Side.CLIENT, TESTCASES[Side.CLIENT]),
)


def evaluate_all(
    seen: Observations, requirements: Sequence[ContractRequirement] = REQUIREMENTS
) -> tuple[ContractResult, ...]:
    """The result of every requirement.

    Raises:
        CheckError: A check has a bug.
    """
    return tuple(ContractResult(one, evaluate(one.requirement, seen)) for one in requirements)


def select_requirements(
    words: str | None, roles: Collection[Side]
) -> tuple[ContractRequirement, ...]:
    """The requirements that a comma-separated list names; None: all that are about these roles.

    Raises:
        UserError: A name is unknown, or of a requirement on another role.
    """
    applicable = {one.name: one for one in REQUIREMENTS if one.role is None or one.role in roles}
    if words is None:
        return tuple(applicable.values())
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in applicable:
            raise unknown("requirement", name, applicable)
    return tuple(one for name, one in applicable.items() if name in names)


def needed_cases(
    requirements: Iterable[ContractRequirement],
    cases: Iterable[ContractCase],
    roles: Collection[Side],
    *,
    is_image: bool,
) -> tuple[ContractCase, ...]:
    """The cases that requirements look at.

    Args:
        requirements: The requirements.
        cases: All cases.
        roles: In which roles the implementation is checked.
        is_image: Whether it is an image; a local command is never started too early.
    """
    names = {name for one in requirements for name in one.cases}
    return tuple(
        case
        for case in cases
        if case.name in names and case.role in roles and (is_image or not case.early)
    )
