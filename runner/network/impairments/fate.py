"""What becomes of a packet that crosses the middlebox."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way a packet goes."""

    TO_CLIENT = "to_client"
    TO_SERVER = "to_server"


@dataclass(frozen=True, slots=True)
class Passed:
    """It goes on as it is."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """It ends here."""

    reason: str
    """In lower case, as the capture shows it, e.g. ``queue full``."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One frame that goes on in place of the one that came."""

    frame: bytes | None
    """None: the one that came."""
    change: str = ""
    """What was done to it, as the capture shows it, e.g. ``byte 17 changed``."""
    delay_ns: int = 0
    """Beyond the link's."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Others go on in its place: altered, readdressed, delayed or several."""

    copies: tuple[Copy, ...]


Fate = Passed | Dropped | Replaced

PASSED = Passed()
