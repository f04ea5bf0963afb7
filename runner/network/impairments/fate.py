"""What an impairment decides about a packet: it passes, is dropped, or is replaced."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """The direction of a packet."""

    TO_CLIENT = "to_client"
    TO_SERVER = "to_server"


@dataclass(frozen=True, slots=True)
class Passed:
    """It is delivered unchanged."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """It is not delivered."""

    reason: str
    """In lower case, as the capture shows it, e.g. ``queue full``."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One frame that is delivered in place of the one that arrived."""

    frame: bytes | None
    """None: the one that arrived."""
    change: str = ""
    """What was changed in it, as the capture shows it, e.g. ``byte 17 changed``."""
    delay_ns: int = 0
    """In addition to the link's delay."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Others are delivered in its place: changed, readdressed, delayed or duplicated."""

    copies: tuple[Copy, ...]


Fate = Passed | Dropped | Replaced

PASSED = Passed()
