from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Verdict
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.violation_groups import Occurrence
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence
from tests.support.golden_run import (
    HELD,
    LOSS,
    NOT_EXERCISED,
    PASSED,
    SMALL_ACK,
    TOKEN_LOST,
    UNDETERMINED,
    job,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-0.1, "0.0 s"),
        (0.84, "0.8 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7320, "2 h 02 min"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float, words: str) -> None:
    assert formatting.duration(seconds) == words


def test_a_moment_is_in_utc() -> None:
    assert formatting.moment(1795454103) == "2026-11-23 17:15:03 UTC"


@pytest.mark.parametrize(
    ("number", "words"), [(None, ""), (1, "v1"), (0x6B3343CF, "v2"), (0xFF1D, "0x0000ff1d")]
)
def test_versions_are_named_as_people_do(number: int | None, words: str) -> None:
    assert formatting.version(number) == words


def test_a_place_names_capture_frame_time_and_packet() -> None:
    evidence = Evidence(Side.CLIENT, 12, 0.0344, "Initial", 3)
    assert formatting.place(evidence) == "left capture, frame 12, 0.034 s: Initial 3"


def test_a_place_without_a_packet_is_a_datagram() -> None:
    evidence = Evidence(Side.SERVER, 1, 0.0)
    assert formatting.place(evidence) == "right capture, frame 1, 0.000 s: datagram"


def test_a_packet_without_a_number_is_named_by_its_type() -> None:
    assert formatting.packet_name(Evidence(Side.SERVER, 1, 0.0, "Retry")) == "Retry"


def test_a_title_says_who_was_what() -> None:
    one = job("a", "b\x1b", LOSS, PASSED, repetition=2)
    assert formatting.title(one, repeated=False) == r"client a, server b\x1b: handshakeloss"
    assert formatting.title(one, repeated=True).endswith(": handshakeloss, repetition 2")


def test_more_is_said_only_if_there_is_more() -> None:
    assert formatting.more(0, "packets") == []
    assert formatting.more(3, "packets", prefix="  ") == ["  and 3 packets more"]
    assert formatting.more(1, "packets") == ["and 1 packet more"]


def test_a_side_is_said_once() -> None:
    by_it = formatting.occurrence(Occurrence("it is empty", Side.SERVER, ()))
    assert by_it == "by the server: it is empty"
    named = formatting.occurrence(Occurrence("the server sends no Retry packet", Side.SERVER, ()))
    assert named == "the server sends no Retry packet"


def test_an_occurrence_names_the_side_if_there_is_one() -> None:
    assert (
        formatting.occurrence(Occurrence("no \x1b", Side.CLIENT, ())) == r"by the client: no \x1b"
    )
    assert formatting.occurrence(Occurrence("nothing", None, ())) == "nothing"


def test_the_requirements_of_a_verdict_are_counted_by_status() -> None:
    requirements = (HELD, SMALL_ACK, HELD, UNDETERMINED)
    verdict = Verdict(Outcome.FAILED, requirements=requirements)
    assert formatting.status_summary(verdict) == "1 violated, 1 undetermined, 2 held"


@pytest.mark.parametrize(
    ("result", "packets", "words"),
    [
        (HELD, 1, "2 times, first in left capture, frame 4, 0.035 s: Handshake 1"),
        (
            HELD,
            3,
            (
                "2 times, first in left capture, frame 4, 0.035 s: Handshake 1; "
                "right capture, frame 5, 0.051 s: 1-RTT 0"
            ),
        ),
        (replace(HELD, times_held=1, evidence=()), 1, "once"),
        (TOKEN_LOST, 1, "once, first: the token is not the Retry's"),
        (NOT_EXERCISED, 1, "there is no RESET_STREAM frame"),
        (replace(UNDETERMINED, reason="no \x1b"), 1, r"no \x1b"),
    ],
)
def test_a_status_has_details(result: RequirementResult, packets: int, words: str) -> None:
    assert formatting.status_details(result, most_packets=packets) == words


def test_what_was_set_otherwise() -> None:
    assert formatting.overridden(LOSS) == ""
    assert formatting.overridden(replace(LOSS, overridden=("timeout=9s", "scenario=x\x1b"))) == (
        r"set otherwise: timeout=9s, scenario=x\x1b"
    )
