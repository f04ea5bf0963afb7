#!/usr/bin/env python3
"""Writes docs/testcases.md and docs/conformance-cases.md from the declarations of the test cases.

``scripts/docs.py --check`` writes nothing and exits with 1 if one is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from quicmatrix.runner.plan.select import testcases
from quicmatrix.runner.results.sections import section_order
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.conformance.coverage import coverage, rows
from quicmatrix.testcases.conformance.h3spec import H3SPEC
from quicmatrix.testcases.conformance.model import Case
from quicmatrix.testcases.conformance.not_taken import NOT_TAKEN
from quicmatrix.testcases.model import Observation, Requirement, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.unprompted.table import UNPROMPTED

CAUSES = (*TRANSFER_ENDS, no_side_closes_with_an_error)
DOCS = Path(__file__).resolve().parent.parent / "docs"


def page(cases: Sequence[TestCase]) -> str:
    """The whole page, as Markdown."""
    details = (line for case in cases for line in _details(case))
    return "\n".join((*_overview(cases), *_contract(), *details, ""))


def _overview(cases: Sequence[TestCase]) -> Iterator[str]:
    yield "# Test cases"
    yield ""
    yield "Made by scripts/docs.py from testcases/; do not edit."
    yield ""
    yield "| | test | what happens when all goes well | network |"
    yield "|---|---|---|---|"
    for case in cases:
        link = f"[{case.name}](#{case.name})"
        yield f"| {case.letter} | {link} | {case.summary} | `{case.scenario}` |"


def _contract() -> Iterator[str]:
    yield ""
    yield "## Every test case"
    yield ""
    yield (
        "What the [endpoint contract](contract.md) asks in each of them "
        "(∘ marks what quic-interop-runner checks too):"
    )
    yield from _table(ENDPOINT_CONTRACT)
    yield ""
    yield (
        "While the client is not done, these say whose it is. A test case has its requirements in "
        "the order of causes, exit codes last, and the first that is violated is the reason that a "
        "verdict gives."
    )
    yield from _table(CAUSES)


def _details(case: TestCase) -> Iterator[str]:
    yield ""
    yield f"## {case.name}"
    yield ""
    yield (
        f"TESTCASE `{case.client}` (client), `{case.server}` (server); {_files(case.files)}; "
        f"{case.timeout_s:g} s. What must hold beside the contract:"
    )
    yield from _table(
        [one for one in case.requirements if one not in (*ENDPOINT_CONTRACT, *CAUSES)]
    )


def _table(requirements: Sequence[Requirement[Observation]]) -> Iterator[str]:
    yield ""
    yield "| | level | requirement | source |"
    yield "|---|---|---|---|"
    yield from map(_row, requirements)


def _row(requirement: Requirement[Observation]) -> str:
    mark = "∘" if requirement.compat else ""
    text = requirement.text.replace("|", "\\|")
    return f"| {mark} | {requirement.level} | {text} | {requirement.citation} |"


def _files(sizes: Sequence[int]) -> str:
    if not sizes:
        return "no files"
    kinds = [f"{sizes.count(size)} x {size:,} B" for size in dict.fromkeys(sizes)]
    return f"files: {' + '.join(kinds)}"


def conformance_page() -> str:
    """All conformance cases, and what covers the RFCs, the catalogue and h3spec, as Markdown."""
    known = cases()
    lines = (*_cases(known), *_unprompted(), *_uncovered(known), *_rows(known), *_h3spec())
    return "\n".join((*lines, ""))


def _cases(known: Sequence[Case]) -> Iterator[str]:
    asked = [case for case in known if not case.is_control]
    of_role = {side: sum(side in case.roles for case in asked) for side in Side}
    yield "# Conformance cases"
    yield ""
    yield "Made by scripts/docs.py from testcases/; do not edit. [conformance.md](conformance.md)"
    yield "says how they are run and read."
    yield ""
    yield (
        f"{len(asked)} cases, {of_role[Side.SERVER]} for servers and {of_role[Side.CLIENT]} for "
        f"clients, and {len(UNPROMPTED)} requirements that need no stimulus."
    )
    sections: dict[str, list[Case]] = {}
    for case in sorted(asked, key=lambda one: section_order(one.id)):
        sections.setdefault(case.citation, []).append(case)
    for citation, some in sections.items():
        yield from ("", f"## {citation}", "", "| case | level | roles | requirement | rows |")
        yield "|---|---|---|---|---|"
        for case in some:
            roles = ", ".join(sorted(case.roles, reverse=True))
            rows = ", ".join(case.rows)
            yield f"| `{case.id}` | {case.level} | {roles} | {_cell(case.text)} | {rows} |"


def _unprompted() -> Iterator[str]:
    yield from ("", "## Without a stimulus", "")
    yield "What an endpoint sends of itself, judged on every capture, those of `run` included."
    yield from ("", "| id | level | roles | requirement | rows |", "|---|---|---|---|---|")
    for one in UNPROMPTED:
        roles = ", ".join(sorted(one.roles, reverse=True))
        text = _cell(one.requirement.text)
        rows = ", ".join(one.rows)
        yield f"| `{one.id}` | {one.requirement.level} | {roles} | {text} | {rows} |"


def _uncovered(known: Sequence[Case]) -> Iterator[str]:
    yield from ("", "## Sections that nothing asks for", "", "| section | | why |", "|---|---|---|")
    for one in coverage(known, UNPROMPTED):
        if not one.is_covered:
            yield f"| {one.citation} | {one.section.title} | {one.section.without} |"


def _rows(known: Sequence[Case]) -> Iterator[str]:
    yield from ("", "## Rows of the catalogue", "")
    yield "By its letters: S, P servers; F frames; B behaviour; C clients; H HTTP/3; X extensions."
    yield from ("", "| row | cases, and what needs no stimulus |", "|---|---|")
    found = {
        row: ", ".join(f"`{one}`" for one in ids) for row, ids in rows(known, UNPROMPTED).items()
    }
    for row, words in sorted(
        (found | {row: f"not taken: {why}" for row, why in NOT_TAKEN.items()}).items()
    ):
        yield f"| {row} | {words} |"


def _h3spec() -> Iterator[str]:
    yield from ("", "## h3spec", "")
    yield "Its cases in their order: T of QUIC, H of HTTP/3, N those that its change log calls new"
    yield "(77 in all by its count; N28 repeats H10)."
    yield from ("", "| | what it asks for | cases |", "|---|---|---|")
    for number, text, ids in H3SPEC:
        yield f"| {number} | {_cell(text)} | {', '.join(f'`{one}`' for one in ids)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "testcases.md": lambda: page(testcases()),
    "conformance-cases.md": conformance_page,
}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or only compare them."""
    texts = {DOCS / name: made() for name, made in PAGES.items()}
    if "--check" in arguments:
        return int(any(not at.exists() or at.read_text() != text for at, text in texts.items()))
    for at, text in texts.items():
        at.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
