from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import quicmatrix.runner.judge.bundle
import quicmatrix.runner.trace.dissect
from quicmatrix.runner.bundle.records import read_attempt, write_attempt
from quicmatrix.runner.cli import main
from quicmatrix.runner.model.attempt import AttemptRecord, ControlRecord, LinkRecord, SideRecord
from quicmatrix.runner.model.run import RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_files import RESULT_FILE, write_result
from quicmatrix.runner.trace.model import Side, Trace
from quicmatrix.testcases.model import Evidence
from tests.support.golden_run import (
    HANDSHAKE,
    HELD,
    PASSED,
    RETRY,
    TOKEN_LOST,
    golden_run,
    job,
    one_job_run,
)
from tests.support.transfers import transfer

Capsys = pytest.CaptureFixture[str]
FAILED = Verdict(
    Outcome.FAILED,
    "the client: the token is not the Retry's",
    (
        HELD,
        replace(
            TOKEN_LOST,
            violations=(
                replace(
                    TOKEN_LOST.violations[0],
                    evidence=(Evidence(Side.CLIENT, 5, 0.05, "1-RTT", 4),),
                ),
            ),
        ),
    ),
)


@pytest.fixture(autouse=True)
def _no_tshark(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> Trace:
        return transfer(20, 0.01)

    async def dissect(path: Path, frames: set[int]) -> dict[int, str]:
        return {frame: f"frame {frame} of {path.name} in full" for frame in frames}

    monkeypatch.setattr(quicmatrix.runner.judge.bundle, "decode", decode)
    monkeypatch.setattr(quicmatrix.runner.trace.dissect, "dissect", dissect)


def stored(folder: Path, result: RunResult) -> str:
    """A run with its bundles."""
    write_result(result, folder / RESULT_FILE)
    for one in result.jobs:
        if not one.folder:
            continue
        bundle = folder / one.folder
        (bundle / "client").mkdir(parents=True)
        (bundle / "client" / "output.log").write_text("what the client said\n")
        record = AttemptRecord(
            client_name=one.client,
            server_name=one.server,
            test=one.test,
            scenario="simple-p2p",
            seed=one.seed,
            repetition=one.repetition,
            started_at=0.0,
            duration_s=1.0,
            server_ready=True,
            client=SideRecord(),
            server=SideRecord(),
            link=LinkRecord(),
            attempt=one.attempt,
        )
        write_attempt(record, bundle)
    return str(folder)


def test_all_there_is_to_know_of_a_failure(tmp_path: Path, capsys: Capsys) -> None:
    run = stored(tmp_path, one_job_run(FAILED))
    assert main(["explain", run, "a", "b", "H"]) == 0
    out = capsys.readouterr().out
    assert "✕ failed  client a, server b: handshake" in out
    assert out.index("requirements  1 violated, 1 held") < out.index("▶      5")
    assert f"  ✓ held           TEST  {HELD.text}" in out
    assert "▶      5     1.0550 s  client ← server  1-RTT 4" in out
    assert "what the client said" in out
    assert "no log: the process was never started" in out  # the server
    assert f"bundle  {tmp_path}/b_a/handshake" in out
    assert "again   quicmatrix run -c a -s b -t handshake --seed 42" in out
    assert "in full" not in out


def test_what_the_tester_of_a_conformance_case_did(tmp_path: Path, capsys: Capsys) -> None:
    run = stored(tmp_path, one_job_run(FAILED))
    bundle = tmp_path / "b_a" / "handshake"
    control = ControlRecord("control/transfer", "b_a/control/transfer")
    record = replace(read_attempt(bundle), tester=Side.CLIENT, control=control)
    write_attempt(record, bundle)
    (bundle / "client" / "tester.jsonl").write_text(
        '{"time": 7.0, "kind": "seen", "text": "an Initial \\u001b[2J"}\n'
        '{"time": 7.25, "kind": "stimulus", "text": "3 bytes", "datagram": "aa", "packet": "1-RTT",'
        ' "number": 4}\n'
    )
    assert main(["explain", run, "a", "b", "H"]) == 0
    out = capsys.readouterr().out
    assert (
        "tester's steps\n"
        "     0.0000 s  seen      an Initial \\x1b[2J\n"
        "     0.2500 s  stimulus  3 bytes  1-RTT 4\n"
    ) in out
    assert f"control {tmp_path}/b_a/control/transfer\n" in out


def test_dissections_only_when_asked(tmp_path: Path, capsys: Capsys) -> None:
    run = stored(tmp_path, one_job_run(FAILED))
    assert main(["explain", run, "a", "b", "handshake", "--dissect"]) == 0
    assert "frame 5 of trace_node_left.pcap in full" in capsys.readouterr().out


def test_an_attempt_that_passed_has_its_summary(tmp_path: Path, capsys: Capsys) -> None:
    run = stored(tmp_path, one_job_run(PASSED))
    assert main(["explain", run, "a", "b", "H"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("✓ passed  client a, server b: handshake")
    assert "events, from the capture at the client's side" in out


def test_the_attempt_that_needs_it_unless_another_is_asked_for(
    tmp_path: Path, capsys: Capsys
) -> None:
    again = replace(job("a", "b", HANDSHAKE, PASSED, folder="b_a/handshake.attempt-2"), attempt=2)
    first = one_job_run(FAILED)
    run = stored(tmp_path, replace(first, jobs=(*first.jobs, again)))
    assert main(["explain", run, "a", "b", "H"]) == 0
    assert "failed  client a, server b: handshake, attempt 1" in capsys.readouterr().out
    assert main(["explain", run, "a", "b", "H", "--attempt", "2"]) == 0
    assert "passed  client a, server b: handshake, attempt 2" in capsys.readouterr().out
    assert main(["explain", run, "a", "b", "H", "--attempt", "3"]) == 2
    assert "repetition 1 attempt 1, repetition 1 attempt 2" in capsys.readouterr().err
    assert main(["explain", run, "a", "b", "H", "--repetition", "2"]) == 2


def test_what_never_had_a_bundle_is_told_as_far_as_it_is_known(
    tmp_path: Path, capsys: Capsys
) -> None:
    run = stored(tmp_path, golden_run())
    assert main(["explain", run, "ngtcp2", "reference", "retry"]) == 0
    out = capsys.readouterr().out
    assert "no namespace could be made: disk full" in out
    assert "no bundle was stored" in out


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["referense", "ngtcp2", "H"], "no client of this run called 'referense'", "reference"),
        (["reference", "ngtcp", "H"], "no server of this run called 'ngtcp'", "ngtcp2"),
        (["reference", "ngtcp2", "handshak"], "no test of this run called", "handshake"),
        (["ngtcp2", "ngtcp2", "H"], "H was not run", "stopped"),
    ],
)
def test_a_wrong_name_is_wrong_use_with_the_nearest(
    tmp_path: Path, capsys: Capsys, words: list[str], message: str, hint: str
) -> None:
    run = stored(tmp_path, golden_run())
    assert main(["explain", run, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert hint in error.splitlines()[1]


def test_a_letter_that_two_tests_have_is_wrong_use_and_their_names_are_not(
    tmp_path: Path, capsys: Capsys
) -> None:
    twin = TestInfo("hello-retry", "S", "Another test with the letter of retry.", "simple-p2p")
    jobs = (job("a", "b", RETRY, PASSED), job("a", "b", twin, FAILED))
    result = replace(one_job_run(PASSED), tests=(RETRY, twin), jobs=jobs)
    run = stored(tmp_path, result)
    assert main(["explain", run, "a", "b", "S"]) == 2
    error = capsys.readouterr().err
    assert "2 tests have the letter S" in error
    assert "retry, hello-retry" in error
    assert main(["explain", run, "a", "b", "hello-retry"]) == 0
    assert "✕ failed  client a, server b: hello-retry" in capsys.readouterr().out


def test_no_run_at_all(tmp_path: Path, capsys: Capsys) -> None:
    assert main(["explain", str(tmp_path), "a", "b", "H"]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_result_that_leads_elsewhere_is_refused(tmp_path: Path, capsys: Capsys) -> None:
    result = one_job_run(FAILED)
    evil = replace(result, jobs=(replace(result.jobs[0], folder="../../etc"),))
    write_result(evil, tmp_path / RESULT_FILE)
    assert main(["explain", str(tmp_path), "a", "b", "H"]) == 2
    assert "names a bundle outside of it" in capsys.readouterr().err
