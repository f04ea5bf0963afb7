from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.model.verdict import Outcome, RecordedViolation, Verdict
from quicmatrix.runner.results.violation_groups import violation_groups
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence
from tests.support.golden_run import HELD, SMALL_ACK, TOKEN_LOST, UNDETERMINED, WRONG_FILE

(FIRST,) = TOKEN_LOST.violations


def test_a_requirement_appears_once_and_each_message_once() -> None:
    again = replace(FIRST, evidence=(Evidence(Side.CLIENT, 9, 0.1, "Initial", 3),))
    other = RecordedViolation("there is no token", Side.CLIENT)
    result = replace(TOKEN_LOST, violations=(FIRST, again, other))
    (group,) = violation_groups(Verdict(Outcome.FAILED, requirements=(result,)))
    assert group.requirement == result
    assert [occurrence.message for occurrence in group.occurrences] == [
        "the token is not the Retry's",
        "there is no token",
    ]
    assert group.occurrences[0].frames(Side.CLIENT) == (3, 5, 9)
    assert group.occurrences[0].frames(Side.SERVER) == (4,)


def test_the_same_message_about_another_side_is_another_occurrence() -> None:
    result = replace(TOKEN_LOST, violations=(FIRST, replace(FIRST, side=Side.SERVER)))
    (group,) = violation_groups(Verdict(Outcome.FAILED, requirements=(result,)))
    assert [occurrence.side for occurrence in group.occurrences] == [Side.CLIENT, Side.SERVER]


def test_should_comes_last_and_what_is_not_violated_not_at_all() -> None:
    requirements = (SMALL_ACK, HELD, TOKEN_LOST, UNDETERMINED, WRONG_FILE)
    groups = violation_groups(Verdict(Outcome.FAILED, requirements=requirements))
    assert [group.requirement for group in groups] == [TOKEN_LOST, WRONG_FILE, SMALL_ACK]


def test_no_requirements_give_no_groups() -> None:
    assert violation_groups(Verdict(Outcome.ERROR)) == ()
