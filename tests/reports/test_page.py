from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.reports.html.page import anchor, page, wireshark_filter
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.store import RunResult
from tests.support.golden_run import HANDSHAKE, PASSED, job, one_job_run


def test_shares_fill_the_bar(golden: RunResult) -> None:
    shares = page(golden, {}).shares
    assert shares[0].outcome is Outcome.PASSED
    assert sum(share.count for share in shares) == len(golden.jobs)
    end = 0.0
    for share in shares:
        assert share.start == pytest.approx(end)
        end += share.width
    assert end == pytest.approx(100)


def test_attempts_are_in_the_matrix_s_order_whatever_ended_first(golden: RunResult) -> None:
    straight, reversed_ = page(golden, {}), page(replace(golden, jobs=golden.jobs[::-1]), {})
    assert straight.jobs == reversed_.jobs
    assert len(straight.jobs) == len(golden.jobs)
    assert [one.letter for one in straight.attention] == ["L1", "S", "L1", "H", "S", "L1"]


def test_an_attempt_outside_of_the_matrix_is_not_lost() -> None:
    run = one_job_run(PASSED)
    stray = job("c", "d", HANDSHAKE, PASSED)
    assert page(replace(run, jobs=(stray, *run.jobs)), {}).jobs == (*run.jobs, stray)


def test_tests_count_over_all_pairs(golden: RunResult) -> None:
    lines = {line.test.letter: line for line in page(golden, {}).tests}
    assert (lines["H"].passed, lines["H"].attempted, lines["H"].worst) == (
        2,
        3,
        Outcome.INCONCLUSIVE,
    )
    assert (lines["L1"].passed, lines["L1"].attempted, lines["L1"].worst) == (2, 5, Outcome.FAILED)


@pytest.mark.parametrize(
    ("outcomes", "headline"),
    [
        ([], "Nothing was run"),
        (["passed"], "The attempt passed"),
        (["passed", "passed"], "All 2 attempts passed"),
        (["passed", "unsupported"], "Nothing needs attention"),
        (["failed"], "1 of 1 attempt needs attention"),
        (["failed", "timeout", "passed"], "2 of 3 attempts need attention"),
    ],
)
def test_the_headline_says_how_it_went(outcomes: list[str], headline: str) -> None:
    run = one_job_run(PASSED)
    jobs = tuple(
        job("a", "b", HANDSHAKE, Verdict(Outcome(outcome)), repetition=number)
        for number, outcome in enumerate(outcomes, 1)
    )
    assert page(replace(run, jobs=jobs), {}).headline == headline


def test_anchors_are_harmless_and_differ_where_jobs_differ() -> None:
    assert anchor(job("a", "b", HANDSHAKE, PASSED)) == "a_b_H_1"
    assert anchor(job('a"b', "c d", HANDSHAKE, PASSED)) == "a-b_c-d_H_1"
    assert anchor(job("a", "b", HANDSHAKE, PASSED, repetition=2)) == "a_b_H_2"


@pytest.mark.parametrize(
    ("frames", "text"),
    [((), ""), ((3,), "frame.number == 3"), ((3, 5), "frame.number in {3, 5}")],
)
def test_filters_are_wireshark_s(frames: tuple[int, ...], text: str) -> None:
    assert wireshark_filter(frames) == text
