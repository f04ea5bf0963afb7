"""Conformance jobs over real packets: a tester on one side, an implementation on the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.bundle.tester_log import read_steps
from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.judge.bundle import judge_bundle
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.verdict import Outcome, Status
from quicmatrix.runner.plan.conformance import (
    Selection,
    cases_for,
    conformance_cases,
    jobs,
    select_cases,
)
from quicmatrix.runner.results.conformance import CaseOutcome, case_outcome
from quicmatrix.runner.trace import tshark
from quicmatrix.runner.trace.model import Side
from tests.support.real_run import REFERENCE, do

pytestmark = [pytest.mark.netns, pytest.mark.tshark]

CASE = "rfc9000/4.5/data-beyond-final-size"
STUBBORN = Implementation(
    "stubborn",
    commands={Side.SERVER: ("/bin/sh", "-c", "exit 127")},
    roles=frozenset({Side.SERVER}),
)


def test_both_roles_and_one_that_supports_nothing(tmp_path: Path) -> None:
    cases = conformance_cases()
    selection = Selection(
        ((REFERENCE, Side.SERVER), (REFERENCE, Side.CLIENT), (STUBBORN, Side.SERVER)),
        select_cases(CASE, None, cases),
    )
    planned = jobs(selection, cases, 7)
    tests = [case.test_case for case in cases if case.id in {job.test for job in planned}]
    folder = tmp_path / "run"
    result = do(
        planned,
        tests,
        folder,
        run_id="conformance",
        parallelism=Parallelism(2),
        implementations=(REFERENCE, STUBBORN),
    )
    by_folder = {one.folder: one for one in result.jobs}
    for place, tester in (("reference_tester", Side.CLIENT), ("tester_reference", Side.SERVER)):
        control, case = by_folder[f"{place}/control/transfer"], by_folder[f"{place}/{CASE}"]
        assert (control.verdict.outcome, control.verdict.reason) == (Outcome.PASSED, "")
        assert case_outcome(case.verdict) is CaseOutcome.HELD, case.verdict
        refused = case.verdict.requirements[0]
        assert (refused.status, refused.answer) == (Status.HELD, "exact code")
        # The stimulus is found in both captures by its digest.
        bundle = folder / case.folder
        (stimulus,) = (one for one in read_steps(bundle, tester) if one.kind == "stimulus")
        for side, name in ((Side.CLIENT, "left"), (Side.SERVER, "right")):
            path = bundle / "sim" / f"trace_node_{name}.pcap"
            capture = tshark.decode_now(path, side, digests=True)
            assert stimulus.datagram in {one.digest for one in capture.datagrams}
        record = read_attempt(bundle)
        assert judge_bundle(bundle, cases_for(record), Policy()).verdict == case.verdict
        assert record.control is not None
        assert record.control.folder == control.folder
    unsupported = by_folder[f"stubborn_tester/{CASE}"]
    assert unsupported.verdict.outcome is Outcome.UNSUPPORTED
    record = read_attempt(folder / unsupported.folder)
    assert record.client.ending is record.server.ending is Ending.NOT_STARTED
