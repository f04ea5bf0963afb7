from __future__ import annotations

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.plan.overrides import overridden, parse_overrides
from quicmatrix.testcases.model import DEFAULT_SCENARIO, TestCase

CASES = tuple(
    TestCase(name, letter, "It works.", name, name, ())
    for name, letter in (("handshake", "H"), ("goodput", "G"))
)
SLOW = DEFAULT_SCENARIO.replace("15ms", "50ms")


def test_time_limits_and_scenarios_of_one_test() -> None:
    words = ["handshake.timeout=120s", f"H.scenario={SLOW}", "G.timeout=2min"]
    handshake, goodput = overridden(CASES, parse_overrides(words, CASES))
    assert (handshake.timeout_s, handshake.scenario) == (120, SLOW)
    assert (goodput.timeout_s, goodput.scenario) == (120, DEFAULT_SCENARIO)
    assert overridden(CASES, parse_overrides([], CASES)) == CASES


def test_the_last_word_counts() -> None:
    overrides = parse_overrides(["H.timeout=1s", "handshake.timeout=2"], CASES)
    assert overrides == {"handshake": {"timeout": "2"}}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("H", "is not TEST.timeout="),
        ("timeout=3s", "is not TEST.timeout="),
        ("H.timeuot=3s", "is not TEST.timeout="),
        ("X.timeout=3s", "there is no test 'X'"),
        ("H.timeout=soon", "'soon' is no time"),
        ("H.timeout=0s", "'0s' is no time"),
        ("H.timeout=-1s", "'-1s' is no time"),
        ("H.timeout=" + "9" * 400, "is no time"),
        ("H.scenario=simple", "unknown scenario 'simple'"),
        ("H.scenario=simple-p2p", "--delay is missing"),
    ],
)
def test_what_cannot_be_set(word: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_overrides([word], CASES)
    assert raised.value.message.startswith(f"--set {word}: ")
    assert message in raised.value.message
    assert raised.value.hint
