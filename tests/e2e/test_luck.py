"""Real endpoints on a link that takes nearly everything of one side: nobody's failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.select import testcases as all_cases
from tests.support.real_run import REFERENCE, do

pytestmark = [pytest.mark.netns, pytest.mark.tshark]


def test_a_server_that_is_never_heard_is_tried_again_and_inconclusive(tmp_path: Path) -> None:
    handshake = next(case for case in all_cases() if case.name == "handshake")
    case = replace(
        handshake,
        scenario="drop-rate --delay=15ms --bandwidth=10Mbps --queue=25 "
        "--rate_to_server=0 --rate_to_client=99",
        timeout_s=20.0,
    )
    jobs = [Job.of(REFERENCE.name, REFERENCE.name, case.name, seed=1)]
    result = do(jobs, [case], tmp_path / "run", run_id="luck", parallelism=Parallelism(1))
    assert [job.verdict.outcome for job in result.jobs] == [Outcome.INCONCLUSIVE] * 2
    assert all("flights with the ServerHello" in job.verdict.reason for job in result.jobs)
