#!/usr/bin/env python3
"""Writes docs/testcases.md from the declarations of the test cases.

``scripts/docs.py --check`` writes nothing and exits with 1 if it is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from quicmatrix.runner.plan.select import testcases
from quicmatrix.testcases.model import Observation, Requirement, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS

CAUSES = (*TRANSFER_ENDS, no_side_closes_with_an_error)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "testcases.md"


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


def main(arguments: Sequence[str]) -> int:
    """Write the page, or only compare it."""
    text = page(testcases())
    if "--check" in arguments:
        return int(not PAGE.exists() or PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
