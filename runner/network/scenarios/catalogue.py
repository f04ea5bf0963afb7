"""All scenarios: their parameters as data, and the impairment that each makes of them.

``quicmatrix list scenarios`` prints them. Names and parameters are quic-network-simulator's;
``reorder`` and ``duplicate`` are additions. Percentages are of the UDP datagrams of a direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quicmatrix.runner.network.impairments.corruption import CorruptRate
from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.impairment import (
    Blackhole,
    Droplist,
    DropRate,
    Impairment,
)
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.impairments.rebinding import Rebinding
from quicmatrix.runner.network.impairments.reordering import Duplicate, Reorder
from quicmatrix.runner.network.scenarios.parameter import Kind, Parameter, Value

Build = Callable[[Mapping[str, Value], int], Impairment | None]


@dataclass(frozen=True, slots=True)
class ScenarioKind:
    """A scenario's name, parameters and impairment."""

    name: str
    summary: str
    own_parameters: tuple[Parameter, ...]
    build: Build
    """Makes the impairment from the parameters' values and the seed."""
    tcp_flow: bool = False
    """Whether a TCP flow shares the link."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All of them, the link's first."""
        return LINK_PARAMETERS + self.own_parameters


LINK_PARAMETERS = (
    Parameter("delay", Kind.DURATION, "the link's one-way delay"),
    Parameter("bandwidth", Kind.BANDWIDTH, "the link's rate, per direction"),
    Parameter("queue", Kind.COUNT, "how many packets the link's queue holds, per direction"),
)
_TOWARDS = {Direction.TO_CLIENT: "the client", Direction.TO_SERVER: "the server"}


# --- Parameters that several scenarios have ----------------------------------------------------


def _rates(what_happens: str) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(f"rate_{way}", Kind.PERCENT, f"how many are {what_happens} on the way to {whom}")
        for way, whom in _TOWARDS.items()
    )


def _bursts(nouns: str) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            f"burst_{way}",
            Kind.COUNT,
            f"after so many {nouns} in a row the next datagram passes, towards {whom}",
            required=False,
        )
        for way, whom in _TOWARDS.items()
    )


def _pattern(values: Mapping[str, Value], seed: int) -> LossPattern:
    return LossPattern(
        {way: _whole(values[f"rate_{way}"]) for way in Direction},
        {way: _optional(values.get(f"burst_{way}")) for way in Direction},
        seed,
    )


# --- Impairments from parameters ---------------------------------------------------------------


def _no_impairment(_values: Mapping[str, Value], _seed: int) -> None:
    return None


def _drop_rate(values: Mapping[str, Value], seed: int) -> Impairment:
    return DropRate(_pattern(values, seed))


def _corrupt_rate(values: Mapping[str, Value], seed: int) -> Impairment:
    return CorruptRate(_pattern(values, seed))


def _droplist(values: Mapping[str, Value], _seed: int) -> Impairment:
    return Droplist({way: _indices(values[f"drops_{way}"]) for way in Direction})


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


def _rebind(values: Mapping[str, Value], seed: int) -> Impairment:
    return Rebinding(
        _whole(values["first-rebind"]),
        _whole(values["rebind-freq"]),
        seed,
        changes_address=values["rebind-addr"] is True,
    )


def _reorder(values: Mapping[str, Value], seed: int) -> Impairment:
    return Reorder(_pattern(values, seed), _whole(values["gap"]))


def _duplicate(values: Mapping[str, Value], seed: int) -> Impairment:
    return Duplicate(_pattern(values, seed), _whole(values["gap"]))


# --- The catalogue -----------------------------------------------------------------------------

SCENARIOS = (
    ScenarioKind(
        "simple-p2p",
        "One bottleneck link with a drop-tail queue; nothing else is lost or changed.",
        (),
        _no_impairment,
    ),
    ScenarioKind(
        "drop-rate",
        "Drops UDP datagrams at random.",
        (*_rates("lost"), *_bursts("losses")),
        _drop_rate,
    ),
    ScenarioKind(
        "corrupt-rate",
        "Changes a byte of UDP datagrams at random, and delivers them.",
        (*_rates("damaged"), *_bursts("damaged ones")),
        _corrupt_rate,
    ),
    ScenarioKind(
        "droplist",
        "Drops the UDP datagrams with the given numbers.",
        tuple(
            Parameter(
                f"drops_{way}",
                Kind.INDICES,
                f"which datagrams towards {whom} are lost, counted from 1",
                required=False,
            )
            for way, whom in _TOWARDS.items()
        ),
        _droplist,
    ),
    ScenarioKind(
        "blackhole",
        "Drops all packets during outages.",
        (
            Parameter("on", Kind.DURATION, "how long it works before each outage"),
            Parameter("off", Kind.PERIOD, "how long an outage lasts"),
            Parameter("repeat", Kind.COUNT, "how many outages", required=False, default="1"),
            Parameter(
                "direction",
                Kind.CHOICE,
                "which direction has outages",
                required=False,
                default="both",
                choices=("both", "toclient", "toserver"),
            ),
        ),
        _blackhole,
    ),
    ScenarioKind(
        "rebind",
        "Puts the client behind a NAT that rebinds: every flow continues from another port.",
        (
            Parameter("first-rebind", Kind.PERIOD, "when it happens for the first time"),
            Parameter(
                "rebind-freq",
                Kind.DURATION,
                "how long after each time it happens again; 0s: never",
                required=False,
                default="0s",
            ),
            Parameter(
                "rebind-addr",
                Kind.FLAG,
                "whether the NAT's address changes as well",
                required=False,
                default="false",
                choices=("true", "false"),
            ),
        ),
        _rebind,
    ),
    ScenarioKind(
        "tcp-cross-traffic",
        "A TCP flow (CUBIC) towards the client fills the same link for the whole time.",
        (),
        _no_impairment,
        tcp_flow=True,
    ),
    ScenarioKind(
        "reorder",
        "Delays UDP datagrams at random, so that later ones overtake them.",
        (
            *_rates("held back"),
            Parameter(
                "gap",
                Kind.PERIOD,
                "how much longer they take than the others",
                required=False,
                default="5ms",
            ),
        ),
        _reorder,
    ),
    ScenarioKind(
        "duplicate",
        "Delivers UDP datagrams twice, at random.",
        (
            *_rates("delivered twice"),
            Parameter(
                "gap",
                Kind.DURATION,
                "how long the second one comes after the first",
                required=False,
                default="0s",
            ),
        ),
        _duplicate,
    ),
)


def _whole(value: Value) -> int:
    assert isinstance(value, int), "the parameter's kind is a number"
    return value


def _optional(value: Value) -> int | None:
    return None if value is None else _whole(value)


def _indices(value: Value) -> frozenset[int]:
    assert value is None or isinstance(value, frozenset), "the parameter's kind is a list"
    return value or frozenset()
