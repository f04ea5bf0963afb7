"""The rules, in the order in which a person would want to read them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from quicmatrix.runner.contract_check import client_rules, image_rules, server_rules
from quicmatrix.runner.contract_check.cases import EXCHANGES, Kind, Trial
from quicmatrix.runner.contract_check.model import Judged, Observations, Rule
from quicmatrix.runner.contract_check.testcase_rules import obedience
from quicmatrix.runner.plan.select import unknown
from quicmatrix.runner.trace.model import Side

RULES: tuple[Rule, ...] = (
    *image_rules.RULES,
    *server_rules.RULES,
    *obedience(Side.SERVER, EXCHANGES[Side.SERVER]),
    *client_rules.RULES,
    *obedience(Side.CLIENT, EXCHANGES[Side.CLIENT]),
)


def judge(seen: Observations, rules: Sequence[Rule] = RULES) -> tuple[Judged, ...]:
    """What comes of every rule."""
    return tuple(Judged(rule, rule(seen)) for rule in rules)


def select_rules(words: str | None, roles: Collection[Side]) -> tuple[Rule, ...]:
    """The rules that a comma list names; None: all that are about these roles.

    Raises:
        UserError: A name is unknown, or of a rule about another role.
    """
    applicable = {rule.name: rule for rule in RULES if rule.role is None or rule.role in roles}
    if words is None:
        return tuple(applicable.values())
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in applicable:
            raise unknown("rule", name, applicable)
    return tuple(rule for name, rule in applicable.items() if name in names)


def needed(
    rules: Iterable[Rule], trials: Iterable[Trial], roles: Collection[Side], *, is_image: bool
) -> tuple[Trial, ...]:
    """The trials that rules need to be seen.

    Args:
        rules: The rules.
        trials: All trials there are.
        roles: In which roles the subject is checked.
        is_image: Whether the subject is an image; a local command is never started too early.
    """
    names = {name for rule in rules for name in rule.trials}
    return tuple(
        trial
        for trial in trials
        if trial.name in names
        and trial.role in roles
        and (is_image or trial.kind is not Kind.EARLY)
    )
