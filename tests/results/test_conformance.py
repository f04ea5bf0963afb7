from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Status, Verdict
from quicmatrix.runner.results.conformance import (
    CASE_MARKS,
    EXPLANATIONS,
    CaseOutcome,
    by_role,
    case_outcome,
    nothing_known,
)
from quicmatrix.runner.results.interop_json import encode
from quicmatrix.runner.results.run_files import load, write_result
from quicmatrix.runner.results.run_view import run_view
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level
from tests.support.conformance_run import (
    CONTROL,
    GOLDEN,
    H3,
    HELD,
    HTTP3,
    MUST,
    OTHER,
    SHOULD,
    WITH_COMPLIANCE,
    conformance_run,
    job,
    left_out,
    violated,
)
from tests.support.golden_run import golden_run

NOT_ASKED = RequirementResult(
    MUST.name, Level.MUST, MUST.citation, MUST.summary, False, Status.NOT_EXERCISED, "no Retry"
)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (HELD, "held"),
        (violated(MUST, Outcome.NONCONFORMANT), "violated MUST"),
        (violated(SHOULD, Outcome.PASSED), "violated SHOULD"),
        (violated(SHOULD, Outcome.NONCONFORMANT), "violated SHOULD"),  # --strict
        (violated(MUST, Outcome.CRASHED), "crashed"),
        (violated(MUST, Outcome.INCONCLUSIVE), "undetermined"),
        (replace(HELD, outcome=Outcome.INCONCLUSIVE, requirements=(NOT_ASKED,)), "not exercised"),
        (replace(HELD, outcome=Outcome.ERROR, requirements=(NOT_ASKED,)), "error"),
        (Verdict(Outcome.UNSUPPORTED), "not applicable"),
        (Verdict(Outcome.FAILED), "failed"),
        (Verdict(Outcome.TIMEOUT), "timeout"),
        (Verdict(Outcome.ERROR), "error"),
    ],
)
def test_what_a_verdict_shows(verdict: Verdict, expected: str) -> None:
    assert case_outcome(verdict) == expected


def test_an_implementation_s_roles_apart_servers_first() -> None:
    server, client = by_role(GOLDEN)
    assert (server.implementation, server.role) == ("a", Side.SERVER)
    assert (client.implementation, client.role) == ("a", Side.CLIENT)
    assert [case.test for case in server.controls] == [HTTP3, CONTROL]
    assert [case.test for case in server.cases] == [MUST, SHOULD, OTHER, H3]
    assert server.counts == {
        CaseOutcome.NOT_APPLICABLE: 1,
        CaseOutcome.VIOLATED_SHOULD: 1,
        CaseOutcome.VIOLATED_MUST: 1,
        CaseOutcome.CRASHED: 1,
    }
    assert [case.test for case in server.started] == [MUST, SHOULD, OTHER]
    assert client.counts == {CaseOutcome.UNDETERMINED: 1}
    assert client.started == ()


def test_a_case_that_is_not_the_same_each_time_is_flaky_and_the_worst_counts() -> None:
    run = conformance_run(
        job(CONTROL, HELD),
        job(MUST, HELD, repetition=3),
        job(MUST, violated(MUST, Outcome.NONCONFORMANT), repetition=2),
        job(MUST, HELD, repetition=1),
        job(SHOULD, violated(SHOULD, Outcome.PASSED), repetition=1),
        job(SHOULD, HELD, repetition=2),
        job(OTHER, HELD, repetition=1),
        job(OTHER, HELD, repetition=2),
    )
    (one,) = by_role(run)
    must, should, other = one.cases
    assert (must.outcome, must.job.repetition, must.flaky) == ("violated MUST", 2, True)
    assert must.outcomes == ("held", "violated MUST", "held")
    # Both repetitions passed, but only one kept the SHOULD.
    assert (should.outcome, should.flaky) == ("violated SHOULD", True)
    assert (other.outcome, other.flaky) == ("held", False)


ERROR = Verdict(Outcome.ERROR, "the tester failed: KeyError")


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (GOLDEN.jobs, ""),
        ((job(CONTROL, HELD),), ""),
        ((job(CONTROL, HELD), job(MUST, ERROR), job(OTHER, HELD)), ""),
        ((), "no control passed, so no case was run: none was run"),
        (
            (job(CONTROL, Verdict(Outcome.FAILED, "no PING")), job(MUST, left_out("c"))),
            "no control passed, so no case was run: no PING",
        ),
        (
            (job(CONTROL, HELD), job(MUST, ERROR)),
            "no case could be run: the tester failed: KeyError",
        ),
        (
            (job(CONTROL, HELD), job(H3, left_out("control/http3"))),
            "no case could be run: the run stopped before",
        ),
    ],
)
def test_a_run_without_an_executed_case_says_nothing(
    jobs: tuple[JobResult, ...], expected: str
) -> None:
    run = conformance_run(*jobs)
    assert nothing_known(run) == expected
    assert run_view(run).warnings == ((expected,) if expected else ())


def test_a_conformance_run_survives_its_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("run") / "result.json"
    write_result(WITH_COMPLIANCE, file)
    assert load(file) == WITH_COMPLIANCE
    assert encode(load(file)) == encode(WITH_COMPLIANCE)


def test_every_outcome_has_a_mark_of_its_own() -> None:
    assert set(CASE_MARKS) == set(EXPLANATIONS) == set(CaseOutcome)
    assert len(set(CASE_MARKS.values())) == len(CaseOutcome)


def test_what_is_no_conformance_run_has_no_roles() -> None:
    assert GOLDEN.is_conformance
    assert not golden_run().is_conformance
    assert by_role(golden_run()) == ()
