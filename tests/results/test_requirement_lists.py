from __future__ import annotations

from quicmatrix.runner.model.verdict import Outcome, Status, Verdict
from quicmatrix.runner.results.requirement_lists import (
    STATUS_MARKS,
    STATUSES,
    by_status,
    status_counts,
)
from tests.support.golden_run import HELD, NOT_EXERCISED, SMALL_ACK, TOKEN_LOST, UNDETERMINED

VERDICT = Verdict(
    Outcome.FAILED,
    requirements=(HELD, SMALL_ACK, NOT_EXERCISED, TOKEN_LOST, UNDETERMINED, HELD),
)


def test_every_status_has_a_place_and_a_mark_of_its_own() -> None:
    assert sorted(STATUSES) == sorted(Status)
    assert set(STATUS_MARKS) == set(Status)
    assert len(set(STATUS_MARKS.values())) == len(Status)


def test_violated_requirements_come_first_and_should_last_within_a_status() -> None:
    assert by_status(VERDICT) == (
        TOKEN_LOST,
        SMALL_ACK,
        UNDETERMINED,
        NOT_EXERCISED,
        HELD,
        HELD,
    )


def test_counts_leave_out_what_no_requirement_has() -> None:
    assert list(status_counts(VERDICT).items()) == [
        (Status.VIOLATED, 2),
        (Status.UNDETERMINED, 1),
        (Status.NOT_EXERCISED, 1),
        (Status.HELD, 2),
    ]
    assert status_counts(Verdict(Outcome.PASSED, requirements=(HELD,))) == {Status.HELD: 1}
