from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import quicmatrix.runner.cli.execution
import quicmatrix.runner.execute.run
import quicmatrix.runner.sandbox.netns.privileges
import quicmatrix.runner.trace.tshark
from quicmatrix.runner.cli import main
from quicmatrix.runner.execute.run import RunOptions
from quicmatrix.runner.execute.scheduler import Observer
from quicmatrix.runner.judge.pool import Judge
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_files import RESULT_FILE, Plan, write_result
from quicmatrix.runner.sandbox.fake import FakeBackend
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level
from tests.support.conformance_cases import CASES
from tests.support.conformance_run import (
    CONTROL,
    GOLDEN,
    HELD,
    MUST,
    SHOULD,
    conformance_run,
    job,
    left_out,
    violated,
)

Capsys = pytest.CaptureFixture[str]


class Executed:
    """Stands for the executor: a run that came out as it is told to."""

    def __init__(self) -> None:
        self.backend = FakeBackend({})
        self.result = conformance_run(job(CONTROL, HELD), job(MUST, HELD))
        self.plan: Plan | None = None
        self.options: RunOptions | None = None

    async def execute(
        self, plan: Plan, options: RunOptions, judge: Judge, observer: Observer
    ) -> RunResult:
        assert judge
        self.plan, self.options = plan, options
        result = replace(self.result, folder=str(options.folder))
        observer.run_started(Plan(result, ()), options.folder)
        for one in result.jobs:
            observer.job_finished(one)
        write_result(result, options.folder / RESULT_FILE)
        observer.run_finished(result)
        return result


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Executed:
    executed = Executed()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quicmatrix.runner.cli.execution, "backend", lambda _: executed.backend)
    monkeypatch.setattr("quicmatrix.runner.plan.conformance.conformance_cases", lambda: CASES)
    monkeypatch.setattr(quicmatrix.runner.execute.run, "execute", executed.execute)
    monkeypatch.setattr(
        quicmatrix.runner.sandbox.netns.privileges, "enter_user_namespace", lambda *_: None
    )
    monkeypatch.setattr(quicmatrix.runner.trace.tshark, "check", lambda: "4.0.17")
    return executed


def test_what_was_asked_for_reaches_the_executor(executed: Executed) -> None:
    words = ["conform", "reference", "-t", "rfc9000/4.5,rfc9001", "--seed", "7", "-n", "3"]
    words += ["--repeat", "2", "--strict", "-l", "here"]
    assert main(words) == 0
    assert executed.plan is not None
    assert executed.options is not None
    run = executed.plan.run
    assert (run.clients, run.servers) == (("tester", "reference"), ("tester", "reference"))
    assert (run.seed, run.strict, run.compat, run.retries) == (7, True, False, 0)
    assert run.command_line == shlex.join(["quicmatrix", *words])
    assert executed.options.repeat_with == ("--strict",)
    assert executed.options.parallelism.tests == 3
    assert executed.options.folder == Path("here")
    assert set(executed.options.names.tests) == {test.name for test in run.tests}
    assert [(test.name, test.level, test.citation, test.control) for test in run.tests] == [
        ("control/retry", Level.TEST, "control", "control/retry"),
        ("control/transfer", Level.TEST, "control", "control/transfer"),
        ("rfc9000/4.5/final-size", Level.SHOULD, "RFC 9000, 4.5", "control/transfer"),
        ("rfc9001/5/retry-tag", Level.MUST, "RFC 9001, 5", "control/retry"),
    ]
    assert {test.rows for test in run.tests} == {("F-1",)}
    assert len(executed.plan.jobs) == 2 * 2 * 4
    assert {(one.tester, one.seed) for one in executed.plan.jobs} == {
        (side, seed) for side in Side for seed in (7, 8)
    }


@pytest.mark.parametrize(
    ("role", "clients", "servers"),
    [("client", ("reference",), ("tester",)), ("server", ("tester",), ("reference",))],
)
def test_one_role(
    role: str, clients: tuple[str, ...], servers: tuple[str, ...], executed: Executed
) -> None:
    assert main(["conform", "reference", "--role", role, "--level", "must"]) == 0
    assert executed.plan is not None
    assert (executed.plan.run.clients, executed.plan.run.servers) == (clients, servers)
    assert {one.tester for one in executed.plan.jobs} == {Side(role).peer}
    levels = {test.level for test in executed.plan.run.tests}
    assert levels == {Level.TEST, Level.MUST}


@pytest.mark.parametrize(
    ("jobs", "code"),
    [
        ((job(CONTROL, HELD), job(MUST, HELD)), 0),
        ((job(CONTROL, HELD),), 0),
        ((job(CONTROL, HELD), job(SHOULD, violated(SHOULD, Outcome.PASSED))), 0),
        ((job(CONTROL, HELD), job(MUST, violated(MUST, Outcome.NONCONFORMANT))), 1),
        ((job(CONTROL, HELD), job(MUST, Verdict(Outcome.CRASHED))), 1),
        ((job(CONTROL, HELD), job(MUST, Verdict(Outcome.ERROR, "x")), job(SHOULD, HELD)), 1),
        ((job(CONTROL, HELD), job(MUST, Verdict(Outcome.ERROR, "x"))), 2),
        ((job(CONTROL, Verdict(Outcome.FAILED, "x")), job(MUST, left_out("control/transfer"))), 2),
        ((job(CONTROL, Verdict(Outcome.UNSUPPORTED, "x")),), 2),
    ],
)
def test_exit_codes(jobs: tuple[object, ...], code: int, executed: Executed) -> None:
    executed.result = conformance_run(*jobs)  # type: ignore[arg-type]
    assert main(["conform", "reference"]) == code


def test_a_run_that_says_nothing_says_why(executed: Executed, capsys: Capsys) -> None:
    executed.result = conformance_run(job(CONTROL, Verdict(Outcome.FAILED, "no PING came back")))
    assert main(["conform", "reference"]) == 2
    out = capsys.readouterr().out
    assert "warning: no control passed, so no case was run: no PING came back" in out


def test_the_summary_has_each_violated_row_with_its_packets_and_command(
    executed: Executed, capsys: Capsys
) -> None:
    executed.result = GOLDEN
    assert main(["conform", "reference"]) == 1
    out = capsys.readouterr().out
    assert (
        "a as server: ? 1 not applicable, ! 1 violated SHOULD, ✕ 1 violated MUST, † 1 crashed\n"
        "a as client: ≈ 1 undetermined\n"
    ) in out
    for line in (
        "violated MUST  a as server: rfc9000/4.5/changed-final-size\n",
        "MUST  An endpoint refuses a changed-final-size. [RFC 9000, 4.5]",
        "by the server: it goes on, and acknowledges a PING that was sent afterwards",
        "right capture, frame 12, 0.034 s: 1-RTT 4",
        "again   quicmatrix conform a --role server -t rfc9000/4.5/changed-final-size --seed 7",
        "again   quicmatrix conform a --role server -t rfc9000/5.1/short-id --seed 7",
        "crashed  a as server: rfc9000/19.8/long-stream\n  the server was ended by SIGSEGV",
        "violated SHOULD  a as server: rfc9000/5.1/short-id\n",
        "again   quicmatrix conform a --role client -t control/transfer --seed 7",
    ):
        assert line in out, line
    # What was not started because of its control is explained by the control.
    assert "rfc9000/4.5/changed-final-size --seed 7" in out
    assert "--role client -t rfc9000" not in out
    assert "rfc9114" not in out.split("\n\n", 1)[1]


def test_flaky_rows_are_named(executed: Executed, capsys: Capsys) -> None:
    executed.result = conformance_run(
        job(CONTROL, HELD),
        job(SHOULD, HELD, repetition=1),
        job(SHOULD, violated(SHOULD, Outcome.PASSED), repetition=2),
    )
    assert main(["conform", "reference"]) == 0
    out = capsys.readouterr().out
    title = "! violated SHOULD  a as server: rfc9000/5.1/short-id"
    assert f"{title}\n  flaky: held, violated SHOULD\n" in out
    assert "a as server: ! 1 violated SHOULD, 1 flaky" in out


def test_reports_and_json_are_written(executed: Executed, tmp_path: Path, capsys: Capsys) -> None:
    executed.result = GOLDEN
    assert main(["conform", "reference", "-l", "here", "-j", "x.json", "-m"]) == 1
    names = {path.name for path in (tmp_path / "here").iterdir()}
    assert names == {"result.json", "index.html", "coverage.html", "junit.xml", "summary.md"}
    assert (tmp_path / "x.json").read_bytes() == (tmp_path / "here" / "result.json").read_bytes()
    assert 'name="rfc9000/4.5/changed-final-size"' in (tmp_path / "here" / "junit.xml").read_text()
    assert "rfc9000/4.5/changed-final-size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nobody"], 2, "there is no implementation called 'nobody'"),
        (["reference", "-t", "rfc1"], 2, "there is no conformance case called 'rfc1'"),
        (["tester=/bin/true"], 2, "tester is the name of what tests"),
        ([], 2, "Missing argument 'IMPLEMENTATION...'"),
        (["reference", "--compat"], 2, "No such option"),
        (
            ["reference", "--role", "server", "-t", "rfc9000/10.3"],
            5,
            "no case is for these implementations and roles",
        ),
    ],
)
def test_wrong_use(
    words: list[str], code: int, message: str, executed: Executed, capsys: Capsys
) -> None:
    assert main(["conform", *words]) == code
    assert message in capsys.readouterr().err
    assert executed.plan is None


def test_only_conformance_loads_aioquic_and_the_tester() -> None:
    script = (
        "import sys\n"
        "import quicmatrix.runner.cli.run, quicmatrix.runner.cli.conform\n"
        "import quicmatrix.runner.execute.run, quicmatrix.runner.judge.bundle\n"
        "import quicmatrix.runner.plan.conformance\n"
        "assert not any(name.startswith(('aioquic', 'quicmatrix.endpoint'))"
        " for name in sys.modules), sys.modules.keys()\n"
        "from quicmatrix.runner.plan.select import testcases\n"
        "testcases()\n"
        "assert 'aioquic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
