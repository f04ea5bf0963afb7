"""A requirement on what an endpoint sends of itself, and the roles it binds."""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Observation, Requirement


@dataclass(frozen=True, slots=True)
class Unprompted:
    """A requirement under the id that reports show."""

    id: str
    """``rfc9000/12.3/packet-numbers-increase``: as that of a conformance case."""
    requirement: Requirement[Observation]
    roles: frozenset[Side] = frozenset(Side)
    """The sides that it binds."""
    rows: tuple[str, ...] = ()
    """The rows of the catalogue (docs/conformance.md) that it covers."""
