"""Plain aioquic violates what it is known to violate: each row of docs/upstream.md on the wire.

CI runs the cases of those rows, ``scripts/saboteurs`` all that are a MUST.
"""

from __future__ import annotations

import os

import pytest

from tests.support import conformance_trials
from tests.support.aioquic_oracle import ROWS, VIOLATED, rows_of_document
from tests.support.conformance_trials import AIOQUIC, Shown, Trial, chosen, must_trials

WHOLE = bool(os.environ.get("QUICMATRIX_WHOLE"))
EXPECTED = {name: row.begins for row in ROWS for name in row.cases}
ALL = {f"{one.case.id} {one.role}": one for one in must_trials()}
TRIALS = {name: one for name, one in ALL.items() if WHOLE or name in EXPECTED}


def test_each_row_of_the_document_is_shown_by_a_case_or_says_why_not() -> None:
    found = [[row for row in ROWS if cell.startswith(row.begins)] for cell in rows_of_document()]
    assert [one for row in found for one in row] == list(ROWS)
    assert [row.begins for row in ROWS if bool(row.cases) == bool(row.reason)] == []


def test_what_is_expected_is_frozen() -> None:
    assert sorted(EXPECTED.keys() - VIOLATED) == []
    assert sorted(VIOLATED - ALL.keys()) == []


@pytest.fixture(scope="module")
def shown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Trial, Shown]:
    trials = [(TRIALS[name], AIOQUIC) for name in chosen(request, "name")]
    return conformance_trials.run(trials, tmp_path_factory.mktemp("aioquic") / "run")


@pytest.mark.netns
@pytest.mark.tshark
@pytest.mark.parametrize("name", TRIALS)
def test_plain_aioquic_violates_what_it_is_known_to(name: str, shown: dict[Trial, Shown]) -> None:
    one = shown[TRIALS[name]]
    assert (one.problem == "") is (name in VIOLATED), one.answer
