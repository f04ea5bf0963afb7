from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.reports.html.page import anchor, page, wireshark_filter
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.run_view import run_view
from tests.support.golden_run import HANDSHAKE, PASSED, job


def test_shares_fill_the_bar(golden: RunResult) -> None:
    shares = page(run_view(golden), {}).shares
    assert shares[0].outcome is Outcome.PASSED
    assert sum(share.count for share in shares) == len(golden.jobs)
    end = 0.0
    for share in shares:
        assert share.start == pytest.approx(end)
        end += share.width
    assert end == pytest.approx(100)


def test_tests_count_over_all_pairs(golden: RunResult) -> None:
    lines = {line.test.letter: line for line in page(run_view(golden), {}).tests}
    assert (lines["H"].passed, lines["H"].attempted, lines["H"].worst) == (
        2,
        3,
        Outcome.INCONCLUSIVE,
    )
    assert (lines["L1"].passed, lines["L1"].attempted, lines["L1"].worst) == (2, 5, Outcome.FAILED)


def test_anchors_are_harmless_and_differ_where_attempts_differ() -> None:
    one = job("a", "b", HANDSHAKE, PASSED)
    assert anchor(one) == "a_b_handshake_1"
    assert anchor(job('a"b', "c d", HANDSHAKE, PASSED)) == "a~22~b_c~20~d_handshake_1"
    assert anchor(replace(one, test="rfc9000/4.5/final-size")) == "a_b_rfc9000/4.5/final-size_1"
    assert anchor(job("a", "b", HANDSHAKE, PASSED, repetition=2)) == "a_b_handshake_2"
    assert anchor(replace(one, attempt=2)) == "a_b_handshake_1_attempt-2"
    assert anchor(replace(one, client="a_b", server="c")) != anchor(
        replace(one, client="a", server="b_c")
    )


@pytest.mark.parametrize(
    ("frames", "text"),
    [((), ""), ((3,), "frame.number == 3"), ((3, 5), "frame.number in {3, 5}")],
)
def test_filters_are_wireshark_s(frames: tuple[int, ...], text: str) -> None:
    assert wireshark_filter(frames) == text
