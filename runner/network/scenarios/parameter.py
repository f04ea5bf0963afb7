"""A scenario's parameters: their names, meanings and the syntax of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from quicmatrix.runner.errors import UserError


class Kind(StrEnum):
    """The type and syntax of a parameter's value."""

    DURATION = "duration"
    """``15ms``, ``5s``, ``750us``; held in nanoseconds."""
    PERIOD = "period"
    """A duration above zero."""
    BANDWIDTH = "bandwidth"
    """``10Mbps``; bps, kbps, Mbps or Gbps; held in bits per second."""
    COUNT = "count"
    """A whole number from 1."""
    PERCENT = "percent"
    """A whole number, 0 to 99."""
    INDICES = "indices"
    """Whole numbers from 1, separated by commas; held as a frozenset."""
    CHOICE = "choice"
    """One of the parameter's choices."""
    FLAG = "flag"
    """``true`` or ``false``; ``--name`` without a value is true."""


Value = int | str | bool | frozenset[int] | None
"""A parameter's value; None where an optional one was left out."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``--name=value`` of a scenario."""

    name: str
    kind: Kind
    meaning: str
    required: bool = True
    default: str = ""
    """As a user would write it; empty: none, the parameter is then off."""
    choices: tuple[str, ...] = ()

    @property
    def explanation(self) -> str:
        """Its meaning, in a sentence."""
        return f"It is {self.meaning}."


def read_value(scenario: str, parameter: Parameter, text: str) -> Value:
    """Parse a parameter's value.

    Args:
        scenario: The name of the scenario, for the error.
        parameter: The parameter.
        text: The value as the user wrote it.

    Raises:
        UserError: It is no such value.
    """
    value, expected = _read(parameter, text)
    if value is None:
        raise UserError(
            f"scenario {scenario}: --{parameter.name}: {text!r} is not {expected}",
            parameter.explanation,
        )
    return value


def _read(parameter: Parameter, text: str) -> tuple[Value, str]:  # noqa: PLR0911 - one a kind
    """The value, or None, and what was expected."""
    match parameter.kind:
        case Kind.DURATION:
            return _quantity(text, _UNIT_NS), "a duration such as 15ms, 5s or 750us"
        case Kind.PERIOD:
            return _quantity(text, _UNIT_NS) or None, "a duration above zero such as 2s"
        case Kind.BANDWIDTH:
            # A link without any rate would never deliver.
            return _quantity(text, _UNIT_BPS) or None, "a bandwidth such as 10Mbps or 500kbps"
        case Kind.COUNT:
            return _number(text) or None, "a whole number from 1"
        case Kind.PERCENT:
            number = _number(text)
            in_range = number is not None and number < 100
            return number if in_range else None, "a whole number from 0 to 99"
        case Kind.INDICES:
            numbers = frozenset(_number(one) or 0 for one in text.split(","))
            return None if 0 in numbers else numbers, "a list of whole numbers from 1 such as 2,3,5"
        case Kind.CHOICE:
            known = text in parameter.choices
            return text if known else None, f"one of {', '.join(parameter.choices)}"
        case Kind.FLAG:
            return {"true": True, "false": False}.get(text), "true or false"


_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3}
_UNIT_BPS = {"Gbps": 10**9, "Mbps": 10**6, "kbps": 10**3, "Kbps": 10**3, "bps": 1}
_QUANTITY = re.compile(r"(?P<whole>\d{1,12})(?:\.(?P<part>\d{1,9}))?(?P<unit>[A-Za-z]+)", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def _quantity(text: str, units: Mapping[str, int]) -> int | None:
    match = _QUANTITY.fullmatch(text)
    if match is None or match["unit"] not in units:
        return None
    part = match["part"] or ""
    digits = int(match["whole"] + part)
    return digits * units[match["unit"]] // int("1" + "0" * len(part))


def _number(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None
