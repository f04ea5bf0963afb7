"""coverage.html beside a compliance report: what the suite asks for, section by section."""

from __future__ import annotations

from quicmatrix.reports.html.environment import environment, style
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.conformance.coverage import CoveredSection, coverage
from quicmatrix.testcases.conformance.not_taken import NOT_TAKEN
from quicmatrix.testcases.unprompted.table import UNPROMPTED

FILE = "coverage.html"


def render() -> str:
    """The page's HTML: the same for all runs."""
    known = tuple(case for case in cases() if not case.is_control)
    sections = coverage(known, UNPROMPTED)
    by_rfc: dict[int, list[CoveredSection]] = {}
    for one in sections:
        by_rfc.setdefault(one.rfc, []).append(one)
    return (
        environment()
        .get_template("coverage.html")
        .render(
            sections=sections,
            by_rfc=by_rfc,
            covered=sum(one.is_covered for one in sections),
            cases=len(known),
            unprompted=len(UNPROMPTED),
            not_taken=NOT_TAKEN,
            **style(),
        )
    )
