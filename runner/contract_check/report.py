"""A check's result as a value, and that value as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quicmatrix.runner.contract_check.cases import Trial
from quicmatrix.runner.contract_check.model import FORMAT, Importance, Judged, Standing
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.results.store import write_file
from quicmatrix.runner.trace.model import Side


@dataclass(frozen=True, slots=True)
class Report:
    """All that a check found."""

    subject: str
    """What was checked: an image, or ``name=command``."""
    backend: str
    peer: str
    """Whom it met."""
    run_id: str
    """By which whatever is left of it is found."""
    folder: Path
    """Where the trials are stored."""
    started_at: float
    """Seconds since the epoch."""
    duration_s: float
    judged: tuple[Judged, ...]
    trials: tuple[Trial, ...]

    @property
    def honoured(self) -> bool:
        """Whether every required rule is kept."""
        return not self.decisive

    @property
    def decisive(self) -> tuple[Judged, ...]:
        """The required rules that are broken or were not to be seen."""
        return tuple(one for one in self.judged if one.decides)

    @property
    def counts(self) -> Counter[Standing]:
        """How many rules there are of each standing."""
        return Counter(one.finding.standing for one in self.judged)


def write_json(report: Report, file: Path) -> None:
    """Write a report as JSON.

    Raises:
        UserError: It cannot be written.
    """
    document = _Document(
        format=FORMAT,
        subject=report.subject,
        backend=report.backend,
        peer=report.peer,
        run_id=report.run_id,
        honoured=report.honoured,
        started_at=report.started_at,
        duration_s=round(report.duration_s, 3),
        folder=str(report.folder),
        rules=[
            _Rule(
                name=one.rule.name,
                role=one.rule.role,
                importance=one.rule.importance,
                text=one.rule.text,
                outcome=one.finding.standing,
                evidence=one.finding.evidence,
                hint=one.rule.hint if one.finding.standing is Standing.BROKEN else "",
                trials=[trial.name for trial in report.trials if trial.name in one.rule.trials],
            )
            for one in report.judged
        ],
    )
    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    try:
        write_file(file, data)
    except OSError as error:
        raise UserError(f"--json {file}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule of the file."""

    name: str
    role: Side | None
    """null: both."""
    importance: Importance
    text: str
    outcome: Standing
    evidence: str
    hint: str
    """Empty unless the rule is broken."""
    trials: list[str]
    """Folders below ``folder``."""


@dataclass(frozen=True, slots=True)
class _Document:
    """The file."""

    format: int
    subject: str
    backend: str
    peer: str
    run_id: str
    honoured: bool
    started_at: float
    duration_s: float
    folder: str
    rules: list[_Rule]
