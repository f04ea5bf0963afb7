"""``--set TEST.KEY=VALUE``: a test case with another time limit or another network."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.testcases.model import TestCase

TIMEOUT, SCENARIO = KEYS = ("timeout", "scenario")
_EXAMPLE = 'transfer.timeout=120s, or goodput.scenario="simple-p2p --delay=50ms ..."'
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)(s|min)?")

Overrides = Mapping[str, Mapping[str, str]]
"""By test, what is set otherwise, by key."""


def parse_overrides(words: Iterable[str], tests: Sequence[TestCase]) -> Overrides:
    """Understand the words of ``--set``; a test is a name or a letter, the last word counts.

    Raises:
        UserError: One is not of that form, names no test, or has a value that cannot be.
    """
    found: dict[str, dict[str, str]] = {}
    for word in words:
        place, equals, value = word.partition("=")
        name, dot, key = place.rpartition(".")
        if not (equals and dot and key in KEYS):
            raise UserError(f"--set {word}: is not TEST.timeout=... or TEST.scenario=...", _EXAMPLE)
        chosen = [test for test in tests if name in (test.name, test.letter)]
        if not chosen:
            known = ", ".join(test.name for test in tests)
            raise UserError(f"--set {word}: there is no test {name!r}", f"there are: {known}")
        try:
            _seconds(value) if key == TIMEOUT else parse_scenario(value)
        except UserError as error:
            raise UserError(f"--set {word}: {error.message}", error.hint) from error
        for test in chosen:
            found.setdefault(test.name, {})[key] = value
    return found


def overridden(tests: Iterable[TestCase], overrides: Overrides) -> tuple[TestCase, ...]:
    """The test cases as they are run."""
    return tuple(_overridden(test, overrides.get(test.name, {})) for test in tests)


def _overridden(test: TestCase, values: Mapping[str, str]) -> TestCase:
    if TIMEOUT in values:
        test = replace(test, timeout_s=_seconds(values[TIMEOUT]))
    return replace(test, scenario=values.get(SCENARIO, test.scenario))


def _seconds(value: str) -> float:
    matched = _SECONDS.fullmatch(value)
    seconds = float(matched[1]) * (60 if matched[2] == "min" else 1) if matched else 0.0
    if not (0 < seconds < math.inf):
        raise UserError(f"{value!r} is no time", "120s or 2min")
    return seconds
