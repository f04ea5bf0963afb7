"""Scenario strings, in quic-network-simulator's syntax: parsed, checked and turned into a network.

``drop-rate --delay=15ms --bandwidth=10Mbps --queue=25 --rate_to_client=2 --rate_to_server 2``

All scenarios are in :mod:`quicmatrix.runner.network.scenarios.catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.impairments.impairment import Impairment
from quicmatrix.runner.network.middlebox.link import Link
from quicmatrix.runner.network.scenarios.catalogue import SCENARIOS, ScenarioKind
from quicmatrix.runner.network.scenarios.parameter import Kind, Parameter, Value, read_value

__all__ = ["SCENARIOS", "Parameter", "Scenario", "parse_scenario"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A parsed scenario string."""

    kind: ScenarioKind
    values: Mapping[str, Value]

    def link(self) -> Link:
        """A new, empty link: one direction of the network."""
        return Link(self.bandwidth_bps, self.delay_ns, self.queue_packets)

    def impairment(self, seed: int) -> Impairment | None:
        """Its impairment beyond the link; None if it has none."""
        return self.kind.build(self.values, seed)

    @property
    def tcp_flow(self) -> bool:
        """Whether a TCP flow shares the link."""
        return self.kind.tcp_flow

    @property
    def delay_ns(self) -> int:
        """The link's one-way delay."""
        return self._whole("delay")

    @property
    def bandwidth_bps(self) -> int:
        """The link's rate."""
        return self._whole("bandwidth")

    @property
    def queue_packets(self) -> int:
        """The link's queue."""
        return self._whole("queue")

    def _whole(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int), "the parameter's kind is a number"
        return value


def parse_scenario(text: str) -> Scenario:
    """Parse a scenario string.

    Raises:
        UserError: It is invalid; names the scenario or the parameter, and the nearest known ones.
    """
    name, *arguments = text.split() or [""]
    kinds = {kind.name: kind for kind in SCENARIOS}
    if name not in kinds:
        raise UserError(f"unknown scenario {name!r}", _nearest(name, kinds, "scenarios"))
    kind = kinds[name]
    parameters = {parameter.name: parameter for parameter in kind.parameters}
    given = _split(name, arguments, parameters)
    values: dict[str, Value] = {}
    for parameter in kind.parameters:
        written = given.get(parameter.name, parameter.default)
        if parameter.required and parameter.name not in given:
            raise UserError(
                f"scenario {name}: --{parameter.name} is missing", parameter.explanation
            )
        values[parameter.name] = read_value(name, parameter, written) if written else None
    return Scenario(kind, MappingProxyType(values))


def _split(name: str, arguments: list[str], known: Mapping[str, Parameter]) -> dict[str, str]:
    """The ``--key=value`` and ``--key value`` pairs, as written."""
    given: dict[str, str] = {}
    remaining = iter(arguments)
    for argument in remaining:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--"):
            raise UserError(
                f"scenario {name}: {argument!r} is no parameter",
                "Write --name=value or --name value.",
            )
        if key not in known:
            raise UserError(
                f"scenario {name}: unknown parameter --{key}", _nearest(key, known, "parameters")
            )
        if key in given:
            raise UserError(f"scenario {name}: --{key} is there twice", "Leave one of them out.")
        if not equals:
            # A flag does not use the next argument as its value, as in quic-network-simulator.
            value = "true" if known[key].kind is Kind.FLAG else next(remaining, "")
        given[key] = value
        if not value:
            raise UserError(f"scenario {name}: --{key} has no value", known[key].explanation)
    return given


def _nearest(name: str, known: Mapping[str, object], what: str) -> str:
    """A hint that names what the user may have meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and for errors only

    near = get_close_matches(name, known)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known {what}: {', '.join(known)}."
