from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.scenarios.parameter import Kind, Parameter, Value, read_value


def read(kind: Kind, word: str, choices: tuple[str, ...] = ()) -> Value:
    return read_value("test", Parameter("x", kind, "an example", choices=choices), word)


@pytest.mark.parametrize(
    ("kind", "word", "value"),
    [
        (Kind.DURATION, "15ms", 15_000_000),
        (Kind.DURATION, "2s", 2 * 10**9),
        (Kind.DURATION, "750us", 750_000),
        (Kind.DURATION, "1.5ms", 1_500_000),
        (Kind.DURATION, "0s", 0),
        (Kind.PERIOD, "1us", 1_000),
        (Kind.BANDWIDTH, "800bps", 800),
        (Kind.BANDWIDTH, "64kbps", 64_000),
        (Kind.BANDWIDTH, "64Kbps", 64_000),
        (Kind.BANDWIDTH, "2.5Gbps", 2_500_000_000),
        (Kind.COUNT, "25", 25),
        (Kind.PERCENT, "0", 0),
        (Kind.PERCENT, "99", 99),
        (Kind.INDICES, "2,3,5", frozenset({2, 3, 5})),
        (Kind.FLAG, "true", True),
        (Kind.FLAG, "false", False),
    ],
)
def test_valid_values(kind: Kind, word: str, value: Value) -> None:
    found = read(kind, word)
    assert found == value
    assert type(found) is type(value)


def test_a_choice_is_one_of_its_choices() -> None:
    assert read(Kind.CHOICE, "up", ("up", "down")) == "up"
    with pytest.raises(UserError, match="'left' is not one of up, down"):
        read(Kind.CHOICE, "left", ("up", "down"))


@pytest.mark.parametrize(
    ("kind", "word", "expected"),
    [
        (Kind.DURATION, "15", "a duration such as 15ms, 5s or 750us"),
        (Kind.DURATION, "-1s", "a duration such as 15ms, 5s or 750us"),
        (Kind.PERIOD, "0s", "a duration above zero such as 2s"),
        (Kind.BANDWIDTH, "0bps", "a bandwidth such as 10Mbps or 500kbps"),
        (Kind.BANDWIDTH, "1Mps", "a bandwidth such as 10Mbps or 500kbps"),
        (Kind.COUNT, "0", "a whole number from 1"),
        (Kind.COUNT, "1.5", "a whole number from 1"),
        (Kind.PERCENT, "100", "a whole number from 0 to 99"),
        (Kind.INDICES, "1,,2", "a list of whole numbers from 1 such as 2,3,5"),
        (Kind.FLAG, "yes", "true or false"),
    ],
)
def test_invalid_values(kind: Kind, word: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        read(kind, word)
    assert caught.value.message == f"scenario test: --x: {word!r} is not {expected}"
    assert caught.value.hint == "It is an example."


@given(st.sampled_from(Kind), st.text())
def test_any_text_is_parsed_or_a_user_error(kind: Kind, word: str) -> None:
    try:
        value = read(kind, word, ("up",))
    except UserError:
        return
    assert value is not None
