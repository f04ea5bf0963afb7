"""A stored bundle: its verdict, and what it measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.records import read_series, write_attempt
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.attempt import new_record
from quicmatrix.runner.judge import bundle as bundles
from quicmatrix.runner.judge.bundle import judge_bundle
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Judgement, Outcome
from quicmatrix.runner.trace.model import Trace
from quicmatrix.testcases.model import Inconclusive, Metric, TestCase
from tests.support.transfers import transfer


@pytest.fixture(autouse=True)
def _a_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "decode", lambda *_: transfer(11, 0.01))


def judged(folder: Path, metric: Metric, fault: str = "") -> Judgement:
    case = TestCase("case", "G", "It is fast.", "c", "s", (), metric=metric)
    record = new_record(Job.of("a", "b", "case", 1), "simple-p2p", 0.0)
    write_attempt(replace(record, fault=fault), folder)
    return judge_bundle(folder, {"case": case}, Policy(strict=True))


def test_what_works_is_measured_and_its_time_series_stored_once(tmp_path: Path) -> None:
    judgement = judged(tmp_path, lambda _: 9000.0)
    assert (judgement.verdict.outcome, judgement.sample) == (Outcome.PASSED, Sample(9000.0))
    assert (judgement.strict, judgement.compat) == (True, False)
    series = read_series(tmp_path)
    assert series is not None
    assert sum(series.quic_bytes) == 11_000
    (tmp_path / "series.json").write_text("kept as it is")
    judged(tmp_path, lambda _: 9000.0)
    assert (tmp_path / "series.json").read_text() == "kept as it is"


def test_what_does_not_work_makes_no_sample(tmp_path: Path) -> None:
    judgement = judged(tmp_path, lambda _: 9000.0, fault="no disk")
    assert (judgement.verdict.outcome, judgement.sample) == (Outcome.ERROR, None)
    assert read_series(tmp_path) is None


def test_a_metric_that_cannot_be_determined_is_inconclusive(tmp_path: Path) -> None:
    def metric(_: Trace) -> float:
        raise Inconclusive("too short")

    judgement = judged(tmp_path, metric)
    assert (judgement.verdict.outcome, judgement.verdict.reason, judgement.sample) == (
        Outcome.INCONCLUSIVE,
        "too short",
        None,
    )


def test_a_bug_in_a_metric_is_our_fault(tmp_path: Path) -> None:
    judgement = judged(tmp_path, lambda _: 1 / 0)
    assert (judgement.verdict.outcome, judgement.sample) == (Outcome.ERROR, None)
    assert judgement.verdict.reason.startswith("the metric of case raised ZeroDivisionError")


def test_a_decoder_that_raises_is_this_attempt_s_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> Trace:
        raise IndexError("out of range")

    monkeypatch.setattr(bundles, "decode", decode)
    verdict = judged(tmp_path, lambda _: 9000.0).verdict
    assert verdict.outcome is Outcome.ERROR
    assert verdict.reason.startswith("judging it raised IndexError('out of range') (test_bundle.py")


def test_a_bundle_of_a_test_that_is_not_installed_is_the_user_s_error(tmp_path: Path) -> None:
    judged(tmp_path, lambda _: 9000.0)
    with pytest.raises(UserError, match="no test called 'case'"):
        judge_bundle(tmp_path, {}, Policy())
