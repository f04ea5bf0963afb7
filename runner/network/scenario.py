"""Scenario strings, in quic-network-simulator's words: parsed, checked and turned into a network.

``drop-rate --delay=15ms --bandwidth=10Mbps --queue=25 --rate_to_client=2 --rate_to_server 2``

What there is to choose from is data, in :data:`SCENARIOS`, which also feeds the errors and
``quicmatrix list scenarios``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from runner.errors import UserError
from runner.network.fate import Direction
from runner.network.impairment import Blackhole, Droplist, DropRate, Impairment
from runner.network.link import Link


class Kind(StrEnum):
    """What a parameter's value looks like."""

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


Value = int | str | frozenset[int] | None
"""What a parameter holds; None where an optional one was left out."""


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


Build = Callable[[Mapping[str, Value], int], Impairment | None]


@dataclass(frozen=True, slots=True)
class ScenarioKind:
    """Something the middlebox can do to packets."""

    name: str
    summary: str
    own_parameters: tuple[Parameter, ...]
    build: Build
    """Makes the impairment from the parameters' values and the seed."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All of them, the link's first."""
        return LINK_PARAMETERS + self.own_parameters


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario string, understood."""

    kind: ScenarioKind
    values: Mapping[str, Value]

    def link(self) -> Link:
        """A new, empty link: one direction of the network."""
        return Link(self.bandwidth_bps, self.delay_ns, self.queue_packets)

    def impairment(self, seed: int) -> Impairment | None:
        """What it does beyond the link; None if nothing."""
        return self.kind.build(self.values, seed)

    @property
    def delay_ns(self) -> int:
        """The link's one-way delay."""
        return _whole(self.values["delay"])

    @property
    def bandwidth_bps(self) -> int:
        """The link's rate."""
        return _whole(self.values["bandwidth"])

    @property
    def queue_packets(self) -> int:
        """The link's queue."""
        return _whole(self.values["queue"])


def parse_scenario(text: str) -> Scenario:
    """Understand a scenario string.

    Raises:
        UserError: It is none; names the scenario or the parameter, and what comes near it.
    """
    name, *words = text.split() or [""]
    kinds = {kind.name: kind for kind in SCENARIOS}
    if name not in kinds:
        raise UserError(f"unknown scenario {name!r}", _nearest(name, kinds, "scenarios"))
    kind = kinds[name]
    parameters = {parameter.name: parameter for parameter in kind.parameters}
    given = _split(name, words, parameters)
    values: dict[str, Value] = {}
    for parameter in kind.parameters:
        word = given.get(parameter.name, parameter.default)
        if parameter.required and parameter.name not in given:
            raise UserError(f"scenario {name}: --{parameter.name} is missing", _meaning(parameter))
        values[parameter.name] = _value(name, parameter, word) if word else None
    return Scenario(kind, MappingProxyType(values))


LINK_PARAMETERS = (
    Parameter("delay", Kind.DURATION, "the link's one-way delay"),
    Parameter("bandwidth", Kind.BANDWIDTH, "the link's rate, per direction"),
    Parameter("queue", Kind.COUNT, "how many packets the link's queue holds, per direction"),
)


def _no_impairment(_values: Mapping[str, Value], _seed: int) -> None:
    return None


def _drop_rate(values: Mapping[str, Value], seed: int) -> Impairment:
    percent = {direction: _whole(values[f"rate_{direction}"]) for direction in Direction}
    burst = {direction: _optional(values[f"burst_{direction}"]) for direction in Direction}
    return DropRate(percent, burst, seed)


def _droplist(values: Mapping[str, Value], _seed: int) -> Impairment:
    return Droplist({direction: _indices(values[f"drops_{direction}"]) for direction in Direction})


def _blackhole(values: Mapping[str, Value], _seed: int) -> Impairment:
    directions = {
        "both": frozenset(Direction),
        "toclient": frozenset({Direction.TO_CLIENT}),
        "toserver": frozenset({Direction.TO_SERVER}),
    }
    return Blackhole(
        _whole(values["on"]),
        _whole(values["off"]),
        _whole(values["repeat"]),
        directions[str(values["direction"])],
    )


SCENARIOS = (
    ScenarioKind(
        "simple-p2p",
        "One bottleneck link with a drop-tail queue; nothing else is lost or changed.",
        (),
        _no_impairment,
    ),
    ScenarioKind(
        "drop-rate",
        "Loses UDP datagrams at random.",
        (
            Parameter("rate_to_client", Kind.PERCENT, "how many are lost on the way to the client"),
            Parameter("rate_to_server", Kind.PERCENT, "how many are lost on the way to the server"),
            Parameter(
                "burst_to_client",
                Kind.COUNT,
                "after so many losses in a row the next datagram passes, towards the client",
                required=False,
            ),
            Parameter(
                "burst_to_server",
                Kind.COUNT,
                "after so many losses in a row the next datagram passes, towards the server",
                required=False,
            ),
        ),
        _drop_rate,
    ),
    ScenarioKind(
        "droplist",
        "Loses chosen UDP datagrams.",
        (
            Parameter(
                "drops_to_client",
                Kind.INDICES,
                "which datagrams towards the client are lost, counted from 1",
                required=False,
            ),
            Parameter(
                "drops_to_server",
                Kind.INDICES,
                "which datagrams towards the server are lost, counted from 1",
                required=False,
            ),
        ),
        _droplist,
    ),
    ScenarioKind(
        "blackhole",
        "Works for a while, then loses everything for a while.",
        (
            Parameter("on", Kind.DURATION, "how long it works before each outage"),
            Parameter("off", Kind.PERIOD, "how long an outage lasts"),
            Parameter("repeat", Kind.COUNT, "how many outages", required=False, default="1"),
            Parameter(
                "direction",
                Kind.CHOICE,
                "which direction suffers",
                required=False,
                default="both",
                choices=("both", "toclient", "toserver"),
            ),
        ),
        _blackhole,
    ),
)
"""All there is to choose from."""

_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3}
_UNIT_BPS = {"Gbps": 10**9, "Mbps": 10**6, "kbps": 10**3, "Kbps": 10**3, "bps": 1}
_QUANTITY = re.compile(r"(?P<whole>\d{1,12})(?:\.(?P<part>\d{1,9}))?(?P<unit>[A-Za-z]+)", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def _split(name: str, words: list[str], known: Mapping[str, Parameter]) -> dict[str, str]:
    """The ``--key=value`` and ``--key value`` pairs, as written."""
    given: dict[str, str] = {}
    remaining = iter(words)
    for word in remaining:
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            raise UserError(
                f"scenario {name}: {word!r} is no parameter", "Write --name=value or --name value."
            )
        if key not in known:
            raise UserError(
                f"scenario {name}: unknown parameter --{key}", _nearest(key, known, "parameters")
            )
        if key in given:
            raise UserError(f"scenario {name}: --{key} is there twice", "Leave one of them out.")
        given[key] = value if equals else next(remaining, "")
        if not given[key]:
            raise UserError(f"scenario {name}: --{key} has no value", _meaning(known[key]))
    return given


def _value(name: str, parameter: Parameter, word: str) -> Value:
    """What a parameter's word means."""
    value, expected = _read(parameter, word)
    if value is None:
        raise UserError(
            f"scenario {name}: --{parameter.name}: {word!r} is not {expected}",
            _meaning(parameter),
        )
    return value


def _read(parameter: Parameter, word: str) -> tuple[Value, str]:  # noqa: PLR0911 - one a kind
    """The value, or None, and what was expected."""
    match parameter.kind:
        case Kind.DURATION:
            return _quantity(word, _UNIT_NS), "a duration such as 15ms, 5s or 750us"
        case Kind.PERIOD:
            return _quantity(word, _UNIT_NS) or None, "a duration above zero such as 2s"
        case Kind.BANDWIDTH:
            # A link without any rate would never deliver.
            return _quantity(word, _UNIT_BPS) or None, "a bandwidth such as 10Mbps or 500kbps"
        case Kind.COUNT:
            return _number(word) or None, "a whole number from 1"
        case Kind.PERCENT:
            number = _number(word)
            in_range = number is not None and number < 100
            return number if in_range else None, "a whole number from 0 to 99"
        case Kind.INDICES:
            numbers = frozenset(_number(one) or 0 for one in word.split(","))
            return None if 0 in numbers else numbers, "a list of whole numbers from 1 such as 2,3,5"
        case Kind.CHOICE:
            known = word in parameter.choices
            return word if known else None, f"one of {', '.join(parameter.choices)}"


def _quantity(word: str, units: Mapping[str, int]) -> int | None:
    match = _QUANTITY.fullmatch(word)
    if match is None or match["unit"] not in units:
        return None
    part = match["part"] or ""
    digits = int(match["whole"] + part)
    return digits * units[match["unit"]] // int("1" + "0" * len(part))


def _number(word: str) -> int | None:
    return int(word) if _WHOLE.fullmatch(word) else None


def _nearest(name: str, known: Mapping[str, object], what: str) -> str:
    """A hint that names what the user may have meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and for errors only

    near = get_close_matches(name, known)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known {what}: {', '.join(known)}."


def _meaning(parameter: Parameter) -> str:
    return f"It is {parameter.meaning}."


def _whole(value: Value) -> int:
    assert isinstance(value, int), "the registry says that it is a number"
    return value


def _optional(value: Value) -> int | None:
    return None if value is None else _whole(value)


def _indices(value: Value) -> frozenset[int]:
    assert value is None or isinstance(value, frozenset), "the registry says that it is a list"
    return value or frozenset()
