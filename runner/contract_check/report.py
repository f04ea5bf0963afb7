"""The result of a contract check: report.json."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quicmatrix.runner.bundle.records import write_file
from quicmatrix.runner.contract_check.cases import ContractCase
from quicmatrix.runner.contract_check.model import ContractRequirement, ContractResult
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.verdict import RequirementResult, Status
from quicmatrix.runner.trace.model import Side

FORMAT = 2
"""Version of report.json."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check, and what was checked."""

    implementation: str
    """The one under test: an image, or ``name=command``."""
    backend: str
    peer: str
    """The implementation that played the other side."""
    run_id: str
    """The label of everything that the check created."""
    folder: Path
    """Where the cases are stored."""
    started_at: float
    """Seconds since the epoch."""
    duration_s: float
    results: tuple[ContractResult, ...]
    cases: tuple[ContractCase, ...]
    """Those that were to be run."""

    @property
    def fulfilled(self) -> bool:
        """Whether the implementation fulfils the contract."""
        return not self.deciding

    @property
    def deciding(self) -> tuple[ContractResult, ...]:
        """The results because of which it does not."""
        return tuple(one for one in self.results if one.decides)

    @property
    def counts(self) -> Counter[Status]:
        """How many requirements have each status."""
        return Counter(one.result.status for one in self.results)

    def cases_of(self, requirement: ContractRequirement) -> list[str]:
        """The names of the cases that a requirement looks at; folders below ``folder``."""
        return [case.name for case in self.cases if case.name in requirement.cases]


def write_json(report: Report, file: Path) -> None:
    """Write a report as JSON.

    Raises:
        UserError: It cannot be written.
    """
    document = _Document(
        format=FORMAT,
        implementation=report.implementation,
        backend=report.backend,
        peer=report.peer,
        run_id=report.run_id,
        fulfilled=report.fulfilled,
        started_at=report.started_at,
        duration_s=round(report.duration_s, 3),
        folder=str(report.folder),
        requirements=[
            _Requirement(
                role=one.about.role,
                hint=one.about.hint,
                cases=report.cases_of(one.about),
                result=one.result,
            )
            for one in report.results
        ],
    )
    data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    try:
        write_file(file, data)
    except UserError as error:
        raise UserError(f"--json {error.message}") from error


@dataclass(frozen=True, slots=True)
class _Requirement:
    """A requirement of the file."""

    role: Side | None
    """null: both."""
    hint: str
    """What to do when it is violated."""
    cases: list[str]
    """Folders below ``folder``."""
    result: RequirementResult
    """As in verdict.json."""


@dataclass(frozen=True, slots=True)
class _Document:
    """The file."""

    format: int
    implementation: str
    backend: str
    peer: str
    run_id: str
    fulfilled: bool
    started_at: float
    duration_s: float
    folder: str
    requirements: list[_Requirement]
