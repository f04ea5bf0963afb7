from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.cli import ExitCode, exit_code
from quicmatrix.runner.model.implementation import KnownOutcome
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results import interop_json
from quicmatrix.runner.results.known_outcomes import announced, description, explains
from quicmatrix.runner.results.run_view import run_view
from quicmatrix.runner.trace.model import Side
from tests.support.golden_run import HANDSHAKE, KNOWN_FAILURE, PASSED, job, one_job_run

FAILED = Verdict(Outcome.FAILED, "the client: it did not")


def run_of(*verdicts: Verdict, known: KnownOutcome = KNOWN_FAILURE) -> RunResult:
    """One client and one server, with a repetition for each verdict."""
    jobs = tuple(
        replace(job("a", "b", HANDSHAKE, verdict), repetition=number)
        for number, verdict in enumerate(verdicts, 1)
    )
    return replace(one_job_run(PASSED), jobs=jobs, planned=len(jobs), known=(known,))


@pytest.mark.parametrize(
    ("known", "applies"),
    [
        (KNOWN_FAILURE, True),
        (replace(KNOWN_FAILURE, peer="b"), True),
        (replace(KNOWN_FAILURE, peer="c"), False),
        (replace(KNOWN_FAILURE, role=Side.SERVER), False),
        (replace(KNOWN_FAILURE, role=Side.SERVER, implementation="b", peer="a"), True),
        (replace(KNOWN_FAILURE, test="retry"), False),
    ],
)
def test_an_entry_is_of_an_implementation_in_a_role_and_a_test(
    known: KnownOutcome, applies: bool
) -> None:
    one = job("a", "b", HANDSHAKE, FAILED)
    assert bool(announced(one, [known])) is applies
    assert (explains(one, [known]) is known) is applies


def test_what_is_known_needs_no_attention_and_its_verdict_stays() -> None:
    run = run_of(FAILED)
    view = run_view(run)
    assert exit_code(run) is ExitCode.OK
    assert exit_code(replace(run, known=())) is ExitCode.FAILED
    assert view.attention == ()
    assert [one.outcome for one in view.known] == [Outcome.FAILED]
    assert view.headline == "Nothing needs attention, 1 of 1 attempt ended as it is known"
    assert view.counts == {Outcome.FAILED: 1}
    assert view.cells[0].is_known
    assert view.warnings == ()


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.ERROR, Outcome.NONCONFORMANT])
def test_another_verdict_than_the_known_one_needs_attention(outcome: Outcome) -> None:
    run = run_of(FAILED, Verdict(outcome, "something else"))
    view = run_view(run)
    assert exit_code(run) is ExitCode.FAILED
    assert [one.outcome for one in (*view.attention, *view.nonconformant)] == [outcome]
    assert not view.cells[0].is_known


def test_an_unexpected_pass_is_reported() -> None:
    run = run_of(FAILED, PASSED)
    view = run_view(run)
    assert exit_code(run) is ExitCode.FAILED
    (warning,) = view.warnings
    assert warning.startswith("unexpected pass: handshake with a as client (peers: b) is known as")
    assert KNOWN_FAILURE.reason in warning
    assert [one.outcome for one in view.known] == [Outcome.FAILED]


def test_an_attempt_that_was_made_again_is_no_unexpected_pass() -> None:
    run = run_of(PASSED)
    again = replace(run.jobs[0], attempt=2, verdict=FAILED)
    assert exit_code(replace(run, jobs=(*run.jobs, again))) is ExitCode.OK


def test_under_compat_nothing_is_known_to_be_nonconformant() -> None:
    run = run_of(PASSED, known=replace(KNOWN_FAILURE, outcome=Outcome.NONCONFORMANT))
    assert exit_code(run) is ExitCode.FAILED
    assert exit_code(replace(run, compat=True)) is ExitCode.OK
    assert run_view(replace(run, compat=True)).warnings == ()


def test_what_is_known_is_in_the_result(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = run_of(FAILED)
    file = tmp_path_factory.mktemp("result") / "result.json"
    file.write_bytes(interop_json.encode(run))
    assert interop_json.read(file).known == run.known


def test_it_is_described_with_its_link() -> None:
    said = "known of a as client with b: has no API for it, https://example.org/25"
    assert description(replace(KNOWN_FAILURE, peer="b")) == said
