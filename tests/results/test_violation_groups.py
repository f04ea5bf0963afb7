from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.results.violation_groups import breaches
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence
from tests.support.golden_run import SMALL_ACK, TOKEN_LOST, WRONG_FILE


def test_a_requirement_appears_once_and_each_thing_seen_once() -> None:
    again = replace(TOKEN_LOST, evidence=(Evidence(Side.CLIENT, 9, 0.1, "Initial", 3),))
    other = replace(TOKEN_LOST, message="there is no token")
    (breach,) = breaches([TOKEN_LOST, again, other])
    assert breach.text == TOKEN_LOST.text
    assert [sighting.message for sighting in breach.sightings] == [
        "the token is not the Retry's",
        "there is no token",
    ]
    assert breach.sightings[0].frames(Side.CLIENT) == (3, 5, 9)
    assert breach.sightings[0].frames(Side.SERVER) == (4,)


def test_the_same_by_another_side_is_another_sighting() -> None:
    (breach,) = breaches([TOKEN_LOST, replace(TOKEN_LOST, side=Side.SERVER)])
    assert [sighting.side for sighting in breach.sightings] == [Side.CLIENT, Side.SERVER]


def test_what_decides_comes_before_what_does_not() -> None:
    found = breaches([SMALL_ACK, TOKEN_LOST, WRONG_FILE])
    assert [breach.requirement for breach in found] == [
        TOKEN_LOST.requirement,
        WRONG_FILE.requirement,
        SMALL_ACK.requirement,
    ]


def test_nothing_gives_nothing() -> None:
    assert breaches([]) == ()
