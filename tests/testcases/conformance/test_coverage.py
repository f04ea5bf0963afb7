from __future__ import annotations

import re

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.conformance.coverage import coverage, rows, section_of
from quicmatrix.testcases.conformance.h3spec import H3SPEC
from quicmatrix.testcases.conformance.not_taken import NOT_TAKEN
from quicmatrix.testcases.unprompted.table import UNPROMPTED

CASES = cases()
SECTIONS = coverage(CASES, UNPROMPTED)
KEYS = {f"rfc{one.rfc}/{one.section.number}": one for one in SECTIONS}


def test_every_section_is_asked_for_or_says_why_not() -> None:
    assert len(KEYS) == len(SECTIONS)
    assert [
        one.citation for one in SECTIONS if not one.is_covered and not one.section.without
    ] == []


def test_a_section_that_stands_for_another_is_covered_itself() -> None:
    named = 0
    for one in SECTIONS:
        match = re.search(r"cases of section (\S+)$", one.section.without)
        if match is not None:
            named += 1
            assert KEYS[f"rfc{one.rfc}/{match[1]}"].is_covered, one.citation
    assert named > 20


def test_every_case_is_in_a_section_of_the_table() -> None:
    names = [*(one.id for one in CASES), *(one.id for one in UNPROMPTED)]
    asked = {section_of(one) for one in names}
    unknown = {one for one in asked if not one.startswith(("control", "rfc8446/"))} - set(KEYS)
    assert unknown == set()
    shown = sum(len(one.cases) + len(one.unprompted) for one in SECTIONS)
    others = [one for one in CASES if one.is_control or one.rfc == "rfc8446"]
    assert shown == len(CASES) + len(UNPROMPTED) - len(others)


def test_no_row_is_taken_and_not_taken() -> None:
    found = rows(CASES, UNPROMPTED)
    assert found["F-22"] == ("rfc9000/4.5/data-beyond-final-size", "rfc9000/4.5/second-final-size")
    assert set(found) & set(NOT_TAKEN) == set()
    assert list(NOT_TAKEN) == sorted(NOT_TAKEN)


def test_the_rows_are_complete() -> None:
    """The catalogue has 348 rows: each is covered, or has a reason."""
    numbers = {"S": 42, "P": 49, "F": 61, "B": 57, "C": 60, "H": 70, "X": 9}
    catalogue = {f"{kind}-{n:02}" for kind, last in numbers.items() for n in range(1, last + 1)}
    assert len(catalogue) == 348
    assert {*rows(CASES, UNPROMPTED), *NOT_TAKEN} == catalogue


def test_each_case_of_h3spec_has_cases_for_servers() -> None:
    by_id = {case.id: case for case in CASES}
    for number, _, ids in H3SPEC:
        assert ids, number
        for one in ids:
            assert Side.SERVER in by_id[one].roles, (number, one)
    numbers = [number for number, _, _ in H3SPEC]
    assert numbers == [
        f"{kind}{at:02}"
        for kind, last in (("T", 34), ("H", 16), ("N", 28))
        for at in range(1, last + 1)
    ]
