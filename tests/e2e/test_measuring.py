"""A measurement over real packets: a small file, a TCP flow beside it, and what is stored."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.records import read_series
from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.select import Selection, jobs
from quicmatrix.runner.results.run_files import load
from quicmatrix.testcases.measurements.crosstraffic import CROSSTRAFFIC
from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import MIB
from tests.support.real_run import REFERENCE, do

pytestmark = [pytest.mark.netns, pytest.mark.tshark]
SMALL = replace(CROSSTRAFFIC, files=(MIB,), metric=goodput_of(MIB), repetitions=2, timeout_s=30.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("measured") / "run"
    wanted = jobs(Selection((REFERENCE,), (REFERENCE,), (SMALL,)), 7)
    cores = tuple(sorted(os.sched_getaffinity(0)))
    return do(
        wanted, (SMALL,), folder, run_id="measured", parallelism=Parallelism(len(cores), cores)
    )


def test_each_repetition_makes_a_sample_below_what_the_link_can(run: RunResult) -> None:
    assert [job.verdict.outcome for job in run.jobs] == [Outcome.PASSED] * 2
    for job in run.jobs:
        assert job.sample is not None
        assert 500 < job.sample.kbps < 10_000
        assert job.sample.tcp_share is not None
        assert 0.05 < job.sample.tcp_share < 0.95


def test_the_time_series_accounts_for_what_the_link_delivered(run: RunResult) -> None:
    for job in run.jobs:
        series = read_series(Path(run.folder) / job.folder)
        assert series is not None
        assert MIB < sum(series.quic_bytes) < 1.3 * MIB
        assert sum(series.tcp_bytes) > 0
        assert max(series.queue) > 5
        rtts = [rtt for rtt in series.smoothed_rtt_ms if rtt is not None]
        # A full queue of 25 packets of 1,500 bytes adds 30 ms to the link's 30.
        assert 29 < min(rtts) < max(rtts) < 120
        # No step has more than the link lets through: 125,000 bytes, and what jitter adds.
        assert max(series.quic_bytes) < 160_000


def test_what_is_stored_says_the_same_again(run: RunResult) -> None:
    stored = load(Path(run.folder))
    assert stored == run
    assert stored.complete
