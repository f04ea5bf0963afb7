"""A stored attempt that passed does not pass any more when its captures are not what they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.judge.bundle import judge_bundle
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.select import testcases as all_cases
from tests.support.capture_damage import STRUCTURAL, flipped
from tests.support.real_run import REFERENCE, do

pytestmark = [pytest.mark.netns, pytest.mark.tshark]


def test_damaged_captures_never_pass(tmp_path: Path) -> None:
    case = next(case for case in all_cases() if case.name == "handshake")
    job = Job.of(REFERENCE.name, REFERENCE.name, case.name, 1)
    (done,) = do([job], [case], tmp_path / "run", run_id="damaged", parallelism=Parallelism(1)).jobs
    assert done.verdict.outcome is Outcome.PASSED
    for number, change in enumerate((*STRUCTURAL, flipped(20))):
        copy = tmp_path / str(number)
        shutil.copytree(tmp_path / "run" / done.folder, copy)
        change(copy)
        verdict = judge_bundle(copy, {case.name: case}, Policy()).verdict
        assert verdict.outcome is Outcome.INCONCLUSIVE, (change, verdict)
