from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.run import JobResult, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.matrix import (
    EXPLANATIONS,
    MARKS,
    SEVERITY,
    counts,
    labels,
    matrix,
    needs_attention,
    notes,
)
from tests.support.golden_run import (
    HANDSHAKE,
    HELD,
    LOSS,
    PASSED,
    RETRY,
    SMALL_ACK,
    TOKEN_LOST,
    job,
)


def test_every_outcome_has_a_place_a_mark_of_its_own_and_an_explanation() -> None:
    assert sorted(SEVERITY) == sorted(Outcome)
    assert set(MARKS) == set(EXPLANATIONS) == set(Outcome)
    assert len(set(MARKS.values())) == len(Outcome)


def test_only_passed_and_unsupported_need_no_attention() -> None:
    quiet = {outcome for outcome in Outcome if not needs_attention(outcome)}
    assert quiet == {Outcome.PASSED, Outcome.UNSUPPORTED}


def test_cells_are_in_the_order_of_the_tests_whatever_ended_first(golden: RunResult) -> None:
    pairs = matrix(golden.jobs, golden.tests)
    assert [cell.label for cell in pairs["reference", "reference"]] == ["H", "S", "L1", "V2"]
    assert ("ngtcp2", "ngtcp2") not in pairs


def test_two_tests_with_one_letter_are_two_cells_named_by_their_names() -> None:
    twin = TestInfo("hello-retry", "S", "Another test with the letter of retry.", "simple-p2p")
    jobs = [
        job("a", "b", twin, Verdict(Outcome.FAILED)),
        job("a", "b", RETRY, PASSED),
        job("a", "b", HANDSHAKE, PASSED),
    ]
    cells = matrix(jobs, [HANDSHAKE, RETRY, twin])["a", "b"]
    assert [(cell.test, cell.label, cell.outcome) for cell in cells] == [
        ("handshake", "H", Outcome.PASSED),
        ("retry", "retry", Outcome.PASSED),
        ("hello-retry", "hello-retry", Outcome.FAILED),
    ]


def test_a_test_without_a_letter_is_labelled_with_its_name() -> None:
    assert labels([replace(RETRY, letter="")]) == {"retry": "retry"}


def test_the_worst_repetition_speaks_for_a_cell() -> None:
    verdicts = [PASSED, Verdict(Outcome.TIMEOUT), Verdict(Outcome.FAILED), PASSED]
    jobs = [job("a", "b", LOSS, verdict, repetition=i) for i, verdict in enumerate(verdicts, 1)]
    ((cell,),) = matrix(reversed(jobs), [LOSS]).values()
    assert [attempt.repetition for attempt in cell.attempts] == [1, 2, 3, 4]
    assert cell.outcome is Outcome.FAILED
    assert cell.flaky
    assert cell.score == "2/4"


def test_repetitions_that_agree_are_not_flaky() -> None:
    jobs = [job("a", "b", LOSS, Verdict(Outcome.FAILED), repetition=i) for i in (1, 2)]
    ((cell,),) = matrix(jobs, [LOSS]).values()
    assert not cell.flaky
    assert cell.score == ""


def test_counts_are_best_first_and_leave_out_what_did_not_occur(golden: RunResult) -> None:
    assert list(counts(golden.jobs).items()) == [
        (Outcome.PASSED, 6),
        (Outcome.UNSUPPORTED, 1),
        (Outcome.NONCONFORMANT, 1),
        (Outcome.INCONCLUSIVE, 1),
        (Outcome.ERROR, 1),
        (Outcome.TIMEOUT, 1),
        (Outcome.CRASHED, 1),
        (Outcome.FAILED, 2),
    ]
    assert counts([]) == {}


def test_notes_are_what_passed_attempts_violated_once_for_each_requirement() -> None:
    noted = Verdict(Outcome.PASSED, requirements=(HELD, SMALL_ACK))
    jobs = [
        job("a", "a", HANDSHAKE, noted),
        job("a", "b", HANDSHAKE, noted),
        job("b", "b", HANDSHAKE, Verdict(Outcome.FAILED, requirements=(SMALL_ACK, TOKEN_LOST))),
    ]
    (note,) = notes(jobs)
    assert note.group.requirement == SMALL_ACK
    assert note.jobs == tuple(jobs[:2])


def retried(*verdicts: Verdict) -> list[JobResult]:
    return [
        replace(job("a", "b", RETRY, verdict), attempt=number)
        for number, verdict in enumerate(verdicts, 1)
    ]


def test_the_last_attempt_at_a_repetition_speaks_for_it_and_all_are_counted() -> None:
    ((cell,),) = matrix(retried(Verdict(Outcome.FAILED), PASSED), [RETRY]).values()
    assert cell.outcome is Outcome.PASSED
    assert cell.flaky
    assert cell.score == "1/2"
    assert cell.retried
    assert not cell.repeated


def test_what_never_passed_is_not_flaky_for_being_tried_again() -> None:
    ((cell,),) = matrix(retried(*[Verdict(Outcome.FAILED)] * 3), [RETRY]).values()
    assert cell.outcome is Outcome.FAILED
    assert not cell.flaky


def test_a_metric_is_made_of_the_samples_that_there_are() -> None:
    samples = (Sample(9000, 0.4), Sample(9200, 0.6, "machine too busy"), None)
    jobs = [
        replace(job("a", "b", RETRY, PASSED, repetition=number), sample=sample)
        for number, sample in enumerate(samples, 1)
    ]
    ((cell,),) = matrix(jobs, [RETRY]).values()
    metric = cell.metric
    assert metric is not None
    assert metric.samples_kbps == (9000, 9200)
    assert metric.repetitions == 3
    assert metric.kbps.mean == 9100
    assert metric.tcp_share == 0.5
    assert metric.doubts == ("machine too busy",)


def test_a_test_has_no_metric() -> None:
    ((cell,),) = matrix([job("a", "b", RETRY, PASSED)], [RETRY]).values()
    assert cell.metric is None
