"""Which sections of the RFCs are covered by which cases and unprompted requirements. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quicmatrix.testcases.conformance.model import Case
from quicmatrix.testcases.conformance.sections import SECTIONS, Section
from quicmatrix.testcases.model import Unprompted


@dataclass(frozen=True, slots=True)
class CoveredSection:
    """A section, and what asks for its requirements."""

    rfc: int
    section: Section
    cases: tuple[Case, ...]
    unprompted: tuple[Unprompted, ...]

    @property
    def is_covered(self) -> bool:
        """Whether anything asks for it."""
        return bool(self.cases or self.unprompted)

    @property
    def citation(self) -> str:
        """``RFC 9000, 4.5``."""
        return f"RFC {self.rfc}, {self.section.number}"


def coverage(cases: Iterable[Case], unprompted: Iterable[Unprompted]) -> tuple[CoveredSection, ...]:
    """All sections that have requirements, in the order of the RFCs.

    Args:
        cases: All there are; controls are left out.
        unprompted: All requirements on what an endpoint sends of itself.
    """
    by_section: dict[str, list[Case]] = {}
    for case in cases:
        by_section.setdefault(section_of(case.id), []).append(case)
    alone: dict[str, list[Unprompted]] = {}
    for one in unprompted:
        alone.setdefault(section_of(one.id), []).append(one)
    return tuple(
        CoveredSection(rfc, section, tuple(by_section.get(key, ())), tuple(alone.get(key, ())))
        for rfc, sections in SECTIONS.items()
        for section in sections
        for key in [f"rfc{rfc}/{section.number}"]
    )


def section_of(name: str) -> str:
    """``rfc9000/4.5`` of ``rfc9000/4.5/final-size``."""
    return name.rpartition("/")[0]


def rows(cases: Iterable[Case], unprompted: Iterable[Unprompted]) -> dict[str, tuple[str, ...]]:
    """What covers each row of the catalogue, in the order of the rows."""
    asked: tuple[Case | Unprompted, ...] = (*cases, *unprompted)
    found: dict[str, list[str]] = {}
    for one in asked:
        for row in one.rows:
            found.setdefault(row, []).append(one.id)
    return {row: tuple(dict.fromkeys(found[row])) for row in sorted(found)}
