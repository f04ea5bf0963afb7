"""The last lines of an endpoint's log, and whose are worth showing.

A log was written by an untrusted program: only its end is read, and each line is cut and printable.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quicmatrix.runner.bundle.untrusted_files import CHUNK_OF_LINES, read_part
from quicmatrix.runner.model.verdict import Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.trace.model import Side

_LINE_LENGTH = 240
_OF_PROCESSES = frozenset(
    {
        "a_side_exits_with_0",
        "client_exits_with_0",
        "server_runs_until_it_is_stopped",
        "endpoints_keep_to_their_log_limit",
        "endpoints_keep_to_their_memory_limit",
    }
)
"""Requirements on how a process ends: its log says why it did not keep them."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The last lines of a log."""

    lines: tuple[str, ...]
    cut: bool
    """Whether there are lines before them."""


def ended_badly(verdict: Verdict) -> tuple[Side, ...]:
    """The sides whose process did not end as it should: it crashed, or exited with an error."""
    sides = {
        violation.side
        for result in verdict.violated
        if result.requirement in _OF_PROCESSES
        for violation in result.violations
    }
    return tuple(side for side in Side if side in sides)


def last_lines(log: Path, most: int) -> LogEnd | None:
    """The last lines of a log; None if there is no such file."""
    if not log.is_file():
        return None
    found = read_part(log, -CHUNK_OF_LINES).decode("utf-8", "replace").splitlines()
    lines = (
        printable(line[:_LINE_LENGTH]) + (" ..." if len(line) > _LINE_LENGTH else "")
        for line in found[-most:]
    )
    longer = log.stat().st_size > CHUNK_OF_LINES
    return LogEnd(tuple(lines), longer or len(found) > most)
