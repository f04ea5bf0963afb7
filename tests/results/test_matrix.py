from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.matrix import (
    EXPLANATIONS,
    MARKS,
    SEVERITY,
    counts,
    matrix,
    needs_attention,
    remarks,
)
from quicmatrix.runner.results.store import JobResult, RunResult
from tests.support.golden_run import HANDSHAKE, LOSS, PASSED, RETRY, SMALL_ACK, TOKEN_LOST, job


def test_every_outcome_has_a_place_a_mark_of_its_own_and_an_explanation() -> None:
    assert sorted(SEVERITY) == sorted(Outcome)
    assert set(MARKS) == set(EXPLANATIONS) == set(Outcome)
    assert len(set(MARKS.values())) == len(Outcome)


def test_only_passed_and_unsupported_need_no_attention() -> None:
    quiet = {outcome for outcome in Outcome if not needs_attention(outcome)}
    assert quiet == {Outcome.PASSED, Outcome.UNSUPPORTED}


def test_cells_are_in_the_order_of_the_tests_whatever_ended_first(golden: RunResult) -> None:
    pairs = matrix(golden.jobs, [test.letter for test in golden.tests])
    assert [cell.letter for cell in pairs["reference", "reference"]] == ["H", "S", "L1", "V2"]
    assert ("ngtcp2", "ngtcp2") not in pairs


def test_a_letter_that_no_test_has_comes_last() -> None:
    jobs = [job("a", "b", RETRY, PASSED), job("a", "b", HANDSHAKE, PASSED)]
    assert [cell.letter for cell in matrix(jobs, ["H"])["a", "b"]] == ["H", "S"]


def test_the_worst_repetition_speaks_for_a_cell() -> None:
    verdicts = [PASSED, Verdict(Outcome.TIMEOUT), Verdict(Outcome.FAILED), PASSED]
    jobs = [job("a", "b", LOSS, verdict, repetition=i) for i, verdict in enumerate(verdicts, 1)]
    ((cell,),) = matrix(reversed(jobs), ["L1"]).values()
    assert [attempt.repetition for attempt in cell.attempts] == [1, 2, 3, 4]
    assert cell.outcome is Outcome.FAILED
    assert cell.flaky
    assert cell.score == "2/4"


def test_repetitions_that_agree_are_not_flaky() -> None:
    jobs = [job("a", "b", LOSS, Verdict(Outcome.FAILED), repetition=i) for i in (1, 2)]
    ((cell,),) = matrix(jobs, ["L1"]).values()
    assert not cell.flaky
    assert cell.score == ""


def test_counts_are_best_first_and_leave_out_what_did_not_occur(golden: RunResult) -> None:
    assert list(counts(golden.jobs).items()) == [
        (Outcome.PASSED, 6),
        (Outcome.UNSUPPORTED, 1),
        (Outcome.INCONCLUSIVE, 1),
        (Outcome.ERROR, 1),
        (Outcome.TIMEOUT, 1),
        (Outcome.CRASHED, 1),
        (Outcome.FAILED, 2),
    ]
    assert counts([]) == {}


def test_remarks_are_what_passed_attempts_breached_once_for_each_requirement() -> None:
    remarked = Verdict(Outcome.PASSED, violations=(SMALL_ACK, SMALL_ACK))
    jobs = [
        job("a", "a", HANDSHAKE, remarked),
        job("a", "b", HANDSHAKE, remarked),
        job("b", "b", HANDSHAKE, Verdict(Outcome.FAILED, violations=(SMALL_ACK, TOKEN_LOST))),
    ]
    (remark,) = remarks(jobs)
    assert remark.breach.text == SMALL_ACK.text
    assert remark.jobs == tuple(jobs[:2])


def retried(*verdicts: Verdict) -> list[JobResult]:
    return [
        replace(job("a", "b", RETRY, verdict), attempt=number)
        for number, verdict in enumerate(verdicts, 1)
    ]


def test_the_last_attempt_at_a_repetition_speaks_for_it_and_all_are_counted() -> None:
    ((cell,),) = matrix(retried(Verdict(Outcome.FAILED), PASSED), ["S"]).values()
    assert cell.outcome is Outcome.PASSED
    assert cell.flaky
    assert cell.score == "1/2"
    assert cell.retried
    assert not cell.repeated


def test_what_never_passed_is_not_flaky_for_being_tried_again() -> None:
    ((cell,),) = matrix(retried(*[Verdict(Outcome.FAILED)] * 3), ["S"]).values()
    assert cell.outcome is Outcome.FAILED
    assert not cell.flaky


def test_a_figure_is_made_of_the_samples_that_there_are() -> None:
    samples = (Sample(9000, 0.4), Sample(9200, 0.6, "machine too busy"), None)
    jobs = [
        replace(job("a", "b", RETRY, PASSED, repetition=number), sample=sample)
        for number, sample in enumerate(samples, 1)
    ]
    ((cell,),) = matrix(jobs, ["S"]).values()
    figure = cell.figure
    assert figure is not None
    assert figure.samples_kbps == (9000, 9200)
    assert figure.repetitions == 3
    assert figure.kbps.mean == 9100
    assert figure.tcp_share == 0.5
    assert figure.doubts == ("machine too busy",)


def test_a_test_has_no_figure() -> None:
    ((cell,),) = matrix([job("a", "b", RETRY, PASSED)], ["S"]).values()
    assert cell.figure is None
