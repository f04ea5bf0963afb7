from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.console.compliance import compliance_lines
from quicmatrix.testcases.model import Level
from tests.support.conformance_run import BROKEN, KEPT
from tests.support.golden_run import HOSTILE


def lines(*counts: object, most: int | None = 5) -> list[str]:
    return [text.plain for text in compliance_lines(counts, most=most)]  # type: ignore[arg-type]


def test_a_run_in_which_nothing_was_judged_has_no_lines() -> None:
    assert lines() == []


def test_only_those_that_violate_something_are_named() -> None:
    assert lines(KEPT) == [
        "compliance: 1 requirement on what endpoints send of themselves, none violated"
    ]
    recommended = replace(BROKEN, id="rfc9000/6.3/x", level=Level.SHOULD)
    assert lines(KEPT, BROKEN, recommended) == [
        "compliance: 3 requirements on what endpoints send of themselves, 2 violated",
        "  ✕ a as server: 1 MUST, 1 SHOULD (rfc9000/8.2.2/response-size, rfc9000/6.3/x)",
    ]


def test_there_are_few_lines_unless_all_are_wanted() -> None:
    many = [replace(BROKEN, implementation=f"i{number}") for number in range(9)]
    many += [replace(BROKEN, implementation="i0", id=f"rfc9000/1/x{number}") for number in range(4)]
    some = lines(*many)
    assert len(some) == 7
    assert some[1].endswith("rfc9000/1/x1, and 2 requirements more)")
    assert some[-1] == "  and 4 implementations more"
    assert len(lines(*many, most=None)) == 10


def test_what_others_wrote_is_printable() -> None:
    assert not any("\x1b" in line for line in lines(replace(BROKEN, implementation=HOSTILE)))
