"""Each case of a MUST can be violated: a saboteur of its own is caught by it over real packets.

CI runs a slice over all sections, ``scripts/saboteurs`` the whole.
"""

from __future__ import annotations

import os

import pytest

from quicmatrix.runner.plan.conformance import conformance_cases
from tests.support import conformance_trials
from tests.support.conformance_trials import Shown, Trial, chosen, must_trials, saboteur, slice_of
from tests.support.saboteurs import EXCEPTIONS, SABOTEURS, TABLES

ALL = tuple(
    trial
    for trial in must_trials()
    if trial.case.id in SABOTEURS and (trial.case.id, trial.role) not in EXCEPTIONS
)
TRIALS = ALL if os.environ.get("QUICMATRIX_WHOLE") else slice_of(ALL)


def test_each_must_has_a_saboteur() -> None:
    missing = {str(one) for one in must_trials() if one.case.id not in SABOTEURS} - {
        f"{case}-{role}" for case, role in EXCEPTIONS
    }
    assert sorted(missing) == []


def test_each_saboteur_is_of_one_case() -> None:
    known = {case.id for case in conformance_cases()}
    assert sorted(SABOTEURS.keys() - known) == []
    assert len(SABOTEURS) == sum(len(module.SABOTEURS) for module in TABLES)


def test_each_exception_is_of_a_case_and_has_a_reason() -> None:
    known = {(trial.case.id, trial.role) for trial in must_trials()}
    assert EXCEPTIONS.keys() <= known
    assert all(EXCEPTIONS.values())


@pytest.fixture(scope="module")
def shown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Trial, Shown]:
    trials = [(trial, saboteur(trial.case)) for trial in chosen(request, "trial")]
    return conformance_trials.run(trials, tmp_path_factory.mktemp("saboteurs") / "run")


@pytest.mark.netns
@pytest.mark.tshark
@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_a_saboteur_is_caught_by_its_case(trial: Trial, shown: dict[Trial, Shown]) -> None:
    assert shown[trial].problem == ""
