from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import quicmatrix.runner.cli.execution
import quicmatrix.runner.execute.run
import quicmatrix.runner.sandbox.netns.privileges
import quicmatrix.runner.trace.tshark
from quicmatrix.runner.cli import main
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.executor import repeat_command
from quicmatrix.runner.execute.run import RunOptions
from quicmatrix.runner.execute.scheduler import Observer
from quicmatrix.runner.judge.pool import Judge
from quicmatrix.runner.model.implementation import Image
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_files import RESULT_FILE, Plan, load, write_result
from quicmatrix.runner.sandbox.fake import FakeBackend
from quicmatrix.runner.sandbox.model import Form
from tests.support.golden_run import golden_run, jobs_of, one_job_run

Capsys = pytest.CaptureFixture[str]
Monkey = pytest.MonkeyPatch


class Stage:
    """Stands for the executor: tells the observer of a stored run and writes it down."""

    def __init__(self) -> None:
        self.backend = FakeBackend({})
        self.result = one_job_run(Verdict(Outcome.PASSED))
        self.meanwhile: Callable[[], None] = lambda: None
        self.options: RunOptions | None = None
        self.plan: Plan | None = None

    async def execute(
        self, plan: Plan, options: RunOptions, judge: Judge, observer: Observer
    ) -> RunResult:
        assert judge
        assert options.stage.backend is self.backend
        assert options.stage.scratch.is_dir()
        self.options, self.plan = options, plan
        result = replace(self.result, folder=str(options.folder))
        assert list(options.folder.iterdir()) == []
        observer.run_started(Plan(result, jobs_of(result)), options.folder)
        try:
            for job, done in zip(jobs_of(result), result.jobs, strict=True):
                observer.job_started(job)
                observer.job_finished(done)
            self.meanwhile()
            # A signal reaches the loop through a pipe, so it takes a turn or two to arrive.
            async with asyncio.timeout(5 if self.interrupted else None):
                await (asyncio.Event().wait() if self.interrupted else asyncio.sleep(0))
        except BaseException:
            result = replace(result, planned=result.planned + 1)
            raise
        finally:
            write_result(result, options.folder / RESULT_FILE)
            observer.run_finished(result)
        return result

    @property
    def interrupted(self) -> bool:
        return self.meanwhile.__name__ == "interrupt"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = Stage()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quicmatrix.runner.cli.execution, "backend", lambda _: stage.backend)
    monkeypatch.setattr(quicmatrix.runner.cli.execution, "engine_version", lambda: "20.10")
    monkeypatch.setattr(quicmatrix.runner.execute.run, "execute", stage.execute)
    monkeypatch.setattr(
        quicmatrix.runner.sandbox.netns.privileges, "enter_user_namespace", lambda *_: None
    )
    monkeypatch.setattr(quicmatrix.runner.trace.tshark, "check", lambda: "4.0.17")
    return stage


RUN = ["run", "-c", "reference", "-s", "reference", "-t", "handshake"]


def test_a_run_leaves_results_and_reports_and_says_where(
    stage: Stage, tmp_path: Path, capsys: Capsys
) -> None:
    assert main([*RUN, "--seed", "7"]) == 0
    latest = tmp_path / "runs" / "latest"
    names = {path.name for path in latest.iterdir()}
    assert names == {"result.json", "index.html", "junit.xml", "summary.md"}
    out, err = capsys.readouterr()
    assert "[1/1] passed         client a  server b  handshake  1.2 s" in out
    assert f"report: runs/{latest.readlink()}/index.html" in out
    assert err == ""


def test_what_was_selected_and_wanted_reaches_the_executor(stage: Stage, tmp_path: Path) -> None:
    words = [
        *RUN,
        "--seed",
        "7",
        "--repeat",
        "3",
        "--retries",
        "2",
        "-n",
        "5",
        "--compat",
        "--strict",
        "-l",
        "here",
    ]
    assert main([*words, "-i", "reference"]) == 0
    assert stage.options is not None
    assert stage.plan is not None
    assert stage.options.folder == Path("here")
    assert stage.options.parallelism.tests == 5
    run = stage.plan.run
    assert (run.seed, run.retries, run.compat, run.strict) == (7, 2, True, True)
    assert set(run.tools) == {"quicmatrix", "python", "kernel", "tshark"}
    assert run.command_line == shlex.join(["quicmatrix", *words, "-i", "reference"])
    assert stage.options.repeat_with == ("--compat", "--strict")
    assert [job.seed for job in stage.plan.jobs] == [7, 8, 9]
    assert not stage.options.stage.scratch.exists()
    assert not (tmp_path / "runs").exists()


def test_how_much_endpoints_may_print(stage: Stage) -> None:
    assert main([*RUN, "--log-limit", "7"]) == 0
    assert stage.options is not None
    assert stage.options.stage.limits.log_bytes == 7 << 20
    assert stage.options.repeat_with == ("--log-limit", "7")


def test_an_implementations_file_is_part_of_the_command_that_repeats_a_job(
    stage: Stage, tmp_path: Path
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"mine": {"command": "/bin/true"}}))
    assert main(["run", "--implementations", str(file), "-t", "H"]) == 0
    assert stage.options is not None
    assert stage.plan is not None
    assert stage.options.repeat_with == ("--implementations", str(file))
    assert [(job.client, job.server) for job in stage.plan.jobs] == [("mine", "mine")]


def test_quic_interop_runner_s_options_are_taken(stage: Stage, monkeypatch: Monkey) -> None:
    monkeypatch.setenv("CRON", "true")
    words = ["--client", "reference", "--server", "reference", "--test", "handshake", "-p", "quic"]
    for save in (["-f"], ["-f", "yes"], ["--save-files"], []):
        assert main(["run", *words, *save]) == 0
        assert stage.options is not None
        assert stage.options.stage.save_files is bool(save)
        assert stage.options.stage.passed_on == {"CRON": "true"}


def test_a_letter_that_means_something_else_there_is_said(stage: Stage, capsys: Capsys) -> None:
    assert main([*RUN, "-n", "quic-go"]) == 2
    hint = capsys.readouterr().err.splitlines()[1]
    assert "quic-interop-runner's -n" in hint
    assert stage.options is None


def test_what_is_set_otherwise_is_run_repeated_and_told(stage: Stage) -> None:
    words = ["--set", "handshake.timeout=120s", "--set", "G.timeout=9s"]
    assert main([*RUN, *words]) == 0
    assert stage.options is not None
    assert stage.plan is not None
    assert stage.options.names.tests["handshake"].timeout_s == 120
    assert stage.options.repeat_with == tuple(words)
    (test,) = stage.plan.run.tests
    assert test.overridden == ("timeout=120s",)


def test_all_means_all(stage: Stage) -> None:
    assert main(["run", "-c", "mine=/bin/true", "-s", "reference", "-t", "all"]) == 0
    assert stage.plan is not None
    assert len(stage.plan.run.tests) > 5


def test_without_a_seed_there_is_one_all_the_same(stage: Stage) -> None:
    assert main(RUN) == 0
    assert stage.options is not None
    assert stage.plan is not None
    first = stage.plan.run.seed
    assert main(RUN) == 0
    assert stage.plan.run.seed != first


def test_auto_is_two_tests_for_each_usable_core(stage: Stage) -> None:
    assert main([*RUN, "-n", "auto"]) == 0
    assert stage.options is not None
    assert stage.plan is not None
    assert stage.options.parallelism.tests == 2 * len(os.sched_getaffinity(0))


def test_something_that_needs_attention_is_told_and_is_exit_code_1(
    stage: Stage, capsys: Capsys
) -> None:
    stage.result = golden_run()
    assert main(RUN) == 1
    out = capsys.readouterr().out
    assert "by the client: the token is not the Retry's" in out
    assert "again   quicmatrix run -c reference -s ngtcp2 -t retry --seed 42" in out
    assert all(line.isprintable() for line in out.splitlines())


def test_unsupported_is_no_failure(stage: Stage) -> None:
    stage.result = one_job_run(Verdict(Outcome.UNSUPPORTED, "exited with 127"))
    assert main(RUN) == 0


def test_to_support_nothing_at_all_is_one(stage: Stage, capsys: Capsys) -> None:
    first = one_job_run(Verdict(Outcome.UNSUPPORTED, "the client exited with 127: it does not"))
    jobs = tuple(replace(first.jobs[0], test=name) for name in "xyz")
    stage.result = replace(first, jobs=jobs)
    assert main(RUN) == 1
    assert "warning: a exited with 127 as client in all 3 tests" in capsys.readouterr().out


@pytest.mark.parametrize(
    "outcome", ["nonconformant", "failed", "timeout", "crashed", "inconclusive", "error"]
)
def test_everything_else_is(stage: Stage, outcome: str) -> None:
    stage.result = one_job_run(Verdict(Outcome(outcome), "why"))
    assert main(RUN) == 1


def test_json_gets_the_result_too(stage: Stage, tmp_path: Path) -> None:
    assert main([*RUN, "-j", "out.json"]) == 0
    assert load(tmp_path / "out.json") == load(tmp_path / "runs" / "latest")


def test_markdown_has_the_standard_output_for_itself(
    stage: Stage, tmp_path: Path, capsys: Capsys
) -> None:
    stage.result = golden_run()
    assert main([*RUN, "-m"]) == 1
    out, err = capsys.readouterr()
    assert out == (tmp_path / "runs" / "latest" / "summary.md").read_text()
    assert "| client ↓ server → | reference | ngtcp2 |" in out
    assert "report: runs/" in err


def test_debug_tells_more(stage: Stage, capsys: Capsys) -> None:
    assert main([*RUN, "-d"]) == 0
    assert "started client a, server b: handshake" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_what_was_done_is_stored_and_told(
    stage: Stage, tmp_path: Path, capsys: Capsys, number: signal.Signals
) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), number)

    stage.meanwhile = interrupt
    assert main(RUN) == 128 + number
    out = capsys.readouterr().out
    assert "note: stopping; once more ends it at once" in out
    assert "stopped early: 1 of 2 attempts were done" in out
    latest = tmp_path / "runs" / "latest"
    assert not load(latest).complete
    assert "Stopped early" in (latest / "index.html").read_text()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_is_what_counts_even_if_something_failed(stage: Stage) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    stage.result, stage.meanwhile = golden_run(), interrupt
    assert main(RUN) == 130


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-t", "handshaek"], "there is no test called 'handshaek'"),
        (["-c", "referenec"], "there is no implementation called 'referenec'"),
        (["-i", "nobody"], "there is no implementation called 'nobody'"),
        (["-r", "reference=image"], "--replace names an image, but local commands are what runs"),
        (["-n", "0"], "'0' is neither a number from 1 nor 'auto'"),
        (["-n", "many"], "'many' is neither a number from 1 nor 'auto'"),
        (["-n", "²"], "'²' is neither a number from 1 nor 'auto'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--seed", "x"], "Invalid value for '--seed'"),
        (["--repeat", "0"], "Invalid value for '--repeat'"),
        (["--backend", "vm"], "Invalid value for '--backend'"),
        (["--implementations", "/nowhere"], "/nowhere: No such file"),
        (["-l", "."], "--log-dir .: exists already"),
        (["-j", "."], "--json .: is a folder"),
        (["-j", "nowhere/x.json"], "its folder does not exist"),
        (["-j", "/proc/x.json"], "its folder cannot be written to"),
    ],
)
def test_wrong_use_starts_nothing(
    stage: Stage, tmp_path: Path, capsys: Capsys, words: list[str], message: str
) -> None:
    assert main(["run", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error, *hint = err.splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert all(line.startswith("hint: ") for line in hint)
    assert stage.options is None
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_cannot_run_anything_is_said_before_anything_is_made(
    stage: Stage, tmp_path: Path, capsys: Capsys
) -> None:
    stage.backend.refusal = UserError("no namespaces here", "be root")
    assert main(RUN) == 2
    assert capsys.readouterr().err == "error: no namespaces here\nhint: be root\n"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_wrong_use(
    stage: Stage, tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "runs").write_text("a file")
    assert main(RUN) == 2
    assert capsys.readouterr().err.startswith("error: runs: Not a directory")


def test_nothing_selected_is_exit_code_5(stage: Stage, capsys: Capsys) -> None:
    assert main([*RUN, "-i", "ngtcp2"]) == 5
    assert "nothing was selected" in capsys.readouterr().err
    assert stage.options is None


def test_latest_that_is_no_link_is_left_alone(stage: Stage, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "runs" / "latest").mkdir(parents=True)
    assert main(RUN) == 0
    assert "note: runs/latest is no link, so it was left as it is" in capsys.readouterr().out


def test_images_run_with_the_docker_backend(stage: Stage, tmp_path: Path) -> None:
    image = Image("me/server:1", "sha256:12", "amd64")
    stage.backend.form = Form.IMAGE
    stage.backend.images = {"me/server:1": image, "quicmatrix/endpoint:latest": replace(image)}
    words = ["run", "--backend", "docker", "-c", "reference", "-s", "mine=me/server:1"]
    assert main([*words, "-t", "handshake"]) == 0
    assert stage.options is not None
    assert stage.plan is not None
    assert stage.options.repeat_with == ("--backend", "docker")
    assert stage.plan.run.tools["docker"] == "20.10"
    assert stage.plan.run.images == {"reference": image, "mine": image}
    names = stage.options.names
    assert names.implementations["mine"].image == "me/server:1"
    assert repeat_command(stage.plan.jobs[0], names).split()[5] == "mine=me/server:1"


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        ("reference", "--replace 'reference' is not of the form name=image"),
        ("nobody=image", "no implementation is called 'nobody'"),
    ],
)
def test_a_replacement_that_replaces_nothing(
    stage: Stage, capsys: Capsys, replacement: str, message: str
) -> None:
    stage.backend.form = Form.IMAGE
    assert main([*RUN, "--backend", "docker", "-r", replacement]) == 2
    assert message in capsys.readouterr().err


def test_beside_another_file_our_own_entries_can_be_named(stage: Stage, tmp_path: Path) -> None:
    images = {"me/a:1": Image("me/a:1", "sha256:1", "amd64")}
    stage.backend.form = Form.IMAGE
    stage.backend.images = {**images, "other:1": replace(images["me/a:1"])}
    file = tmp_path / "implementations_quic.json"
    file.write_text(json.dumps({"a": {"image": "me/a:1", "url": "", "role": "both"}}))
    words = ["--implementations", str(file), "-r", "a=me/a:1,reference=other:1"]
    assert main(["run", "--backend", "docker", *words, "-c", "reference", "-t", "H"]) == 0
    assert stage.plan is not None
    assert stage.options is not None
    assert [(job.client, job.server) for job in stage.plan.jobs] == [("reference", "a")]
    assert stage.options.repeat_with[-2:] == ("--replace", "a=me/a:1,reference=other:1")
    assert stage.options.names.implementations["reference"].image == "other:1"


def test_an_engine_that_cannot_be_used_is_said_before_anything_is_fetched(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    def require(*_: object) -> None:
        pytest.fail("an image was asked for")

    stage.backend.form = Form.IMAGE
    stage.backend.refusal = UserError("no permission", "be root")
    monkeypatch.setattr(FakeBackend, "require", require)
    assert main([*RUN, "--backend", "docker"]) == 2
    assert capsys.readouterr().err.splitlines() == ["error: no permission", "hint: be root"]


def test_an_image_that_is_nowhere_is_wrong_use(stage: Stage, capsys: Capsys) -> None:
    stage.backend.form = Form.IMAGE
    assert main([*RUN, "--backend", "docker"]) == 2
    assert capsys.readouterr().err.startswith("error: reference: no image")
    assert stage.options is None
