"""Jobs with a tester: who is told what, who ends them, and what a control decides."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.layout import TESTER_LOG
from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.execute.attempt import Names, Stage, attempt
from quicmatrix.runner.execute.executor import LocalExecutor, repeat_command
from quicmatrix.runner.execute.run import RunOptions, execute
from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.model.attempt import AttemptRecord, Ending
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job, Participant, ParticipantKind
from quicmatrix.runner.model.run import JobResult, RunInfo, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan import tester
from quicmatrix.runner.results.run_files import Plan, load
from quicmatrix.runner.sandbox.fake import FakeBackend, Program, Running, until_terminated
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import (
    Held,
    Level,
    Observation,
    Requirement,
    TestCase,
    Violation,
)
from tests.support.fake_sim import sim
from tests.support.in_process_judge import InProcessJudge
from tests.support.real_run import Silent

CONTROL, CASE, OTHER = "control/transfer", "rfc9000/1/a", "rfc9000/1/b"
COMMANDS = dict.fromkeys(Side, (sys.executable, "its own"))
A = Implementation("a", commands=COMMANDS)


def requirement(level: Level) -> Requirement[Observation]:
    """What always holds."""
    return Requirement("it", level, "RFC 9000, 1", "It is.", False, lambda _: iter([Held()]))


def case(name: str, level: Level = Level.MUST) -> TestCase:
    return TestCase(name, "", "It is.", "retry", "retry", (requirement(level),), (10,))


TESTS = {one.name: one for one in (case(CONTROL, Level.TEST), case(CASE), case(OTHER))}


def job(test: str, role: Side = Side.SERVER, *, repetitions: int = 1, repetition: int = 1) -> Job:
    return Job(
        (
            Participant(tester.NAME, role.peer, ParticipantKind.TESTER),
            Participant("a", role),
        ),
        test,
        seed=7 + repetition - 1,
        repetition=repetition,
        repetitions=repetitions,
        control="" if test == CONTROL else CONTROL,
    )


async def done(running: Running) -> Exit:
    """A tester that is done at once."""
    (running.host.folder("/logs") / TESTER_LOG).write_text('{"time": 1.0, "kind": "done"}\n')
    return Exit(0)


async def for_ever(running: Running) -> Exit:
    """A client that ends when it is told to."""
    await running.terminated.wait()
    return Exit(None, 15)


def run(
    tmp_path: Path, role: Side, programs: Mapping[str, Program], backend: FakeBackend | None = None
) -> AttemptRecord:
    backend = backend or FakeBackend({**programs, "sim": sim()})
    (tmp_path / "scratch").mkdir()
    stage = Stage(backend, "run", tmp_path / "scratch", tmp_path, Limits())
    return asyncio.run(attempt(job(CASE, role), Names({"a": A}, TESTS), tmp_path / "b", stage))


@pytest.mark.parametrize("role", Side)
def test_the_tester_alone_is_told_the_case(role: Side, tmp_path: Path) -> None:
    programs = {"client": done, "server": until_terminated}
    backend = FakeBackend({**programs, "sim": sim()})
    record = run(tmp_path, role, programs, backend)
    assert record.fault == ""
    assert record.tester is role.peer
    (sandbox,) = backend.sandboxes
    hosts = {Side.CLIENT: sandbox.client, Side.SERVER: sandbox.server}
    (its,), (ours,) = hosts[role].launches, hosts[role.peer].launches
    assert its.command == COMMANDS[role]
    assert its.environment["TESTCASE"] == "retry"
    assert ours.command == (sys.executable, "-P", "-m", "quicmatrix.endpoint.tester")
    assert ours.environment["TESTCASE"] == CASE
    (file,) = record.www
    requests = hosts[Side.CLIENT].launches[0].environment["REQUESTS"]
    assert requests == f"https://server4:443/{file.name}"


def test_the_tester_s_log_is_in_the_bundle(tmp_path: Path) -> None:
    run(tmp_path, Side.SERVER, {"client": done, "server": until_terminated})
    assert (tmp_path / "b" / "client" / TESTER_LOG).read_text() == '{"time": 1.0, "kind": "done"}\n'


def test_a_tester_as_the_server_ends_the_attempt_at_once(tmp_path: Path) -> None:
    record = run(tmp_path, Side.CLIENT, {"client": for_ever, "server": done})
    assert (record.server.ending, record.server.exit_code) == (Ending.EXITED, 0)
    assert record.client.ending is Ending.STOPPED
    assert record.client.duration_s < 1.0  # an implementation's client would have had 2 s


def test_a_tester_as_the_server_is_stopped_when_the_client_is_gone(tmp_path: Path) -> None:
    record = run(tmp_path, Side.CLIENT, {"client": done, "server": until_terminated})
    assert record.client.ending is Ending.EXITED
    assert (record.server.ending, record.server.exit_code) == (Ending.STOPPED, 0)


def test_the_command_that_repeats_a_case() -> None:
    named = Implementation("a", given={Side.SERVER: "./mine --x"})
    line = repeat_command(job(CASE), Names({"a": named}, TESTS), ["--strict"])
    assert shlex.split(line) == [
        *("quicmatrix", "conform", "a=./mine --x", "--role", "server", "-t", CASE),
        *("--seed", "7", "--strict"),
    ]


def test_only_the_implementation_is_asked_for_an_unknown_testcase(tmp_path: Path) -> None:
    asked: list[str] = []

    async def knows_everything(running: Running) -> Exit:
        asked.append(running.launch.environment["ROLE"])
        return Exit(0)

    backend = FakeBackend({"client": knows_everything, "server": knows_everything, "sim": sim()})
    (tmp_path / "scratch").mkdir()
    stage = Stage(backend, "id", tmp_path / "scratch", tmp_path, Limits())
    local = LocalExecutor(Names({"a": A}, TESTS), stage, tmp_path / "run")
    record = read_attempt(asyncio.run(local.run(job(CONTROL, Side.CLIENT))))
    assert asked == ["client"]
    assert "instead of 127" in record.client.unknown_testcase
    assert record.server.unknown_testcase == ""
    assert record.tester is Side.SERVER


class Recorder(Silent):
    def __init__(self) -> None:
        self.started: list[str] = []

    def job_started(self, job: Job) -> None:
        self.started.append(job.folder)


def whole_run(
    tmp_path: Path,
    jobs: tuple[Job, ...],
    programs: Mapping[str, Program],
    tests: Mapping[str, TestCase] = TESTS,
    parallel: int = 4,
) -> tuple[dict[str, JobResult], list[str]]:
    """The results by their folders, and the order in which jobs began."""
    info = RunInfo(
        run_id="id",
        started_at=1.0,
        clients=(tester.NAME,),
        servers=("a",),
        urls={},
        tests=tuple(TestInfo(one.name, "", one.summary, one.scenario) for one in tests.values()),
        seed=7,
    )
    (tmp_path / "scratch").mkdir()
    backend = FakeBackend({**programs, "sim": sim()})
    stage = Stage(backend, "id", tmp_path / "scratch", tmp_path, Limits())
    names = Names({"a": A}, tests)
    options = RunOptions(tmp_path / "run", stage, names, Parallelism(parallel))
    recorder = Recorder()
    work = execute(Plan(info, jobs), options, InProcessJudge(tests), recorder)
    result: RunResult = asyncio.run(work)
    assert load(tmp_path / "run") == result
    return {one.folder: one for one in result.jobs}, recorder.started


def server(running_code: int | None = None) -> Program:
    """A server that answers unknown tests with 127, and others with a code at once if asked to."""

    async def program(running: Running) -> Exit:
        if running.launch.environment["TESTCASE"].startswith("unknown-"):
            return Exit(127)
        if running_code is not None:
            return Exit(running_code)
        return await until_terminated(running)

    return program


def test_controls_come_first_and_cases_name_theirs(tmp_path: Path) -> None:
    jobs = (job(CASE), job(OTHER), job(CONTROL))
    results, started = whole_run(tmp_path, jobs, {"client": done, "server": server()})
    assert started[0] == "a_tester/control/transfer"
    assert {one.verdict.outcome for one in results.values()} == {Outcome.PASSED}
    assert {one.tester for one in results.values()} == {Side.CLIENT}
    record = read_attempt(tmp_path / "run" / "a_tester" / CASE)
    assert record.control is not None
    assert (record.control.test, record.control.folder) == (CONTROL, "a_tester/control/transfer")
    assert record.control.problem == ""


def failing(_: Observation) -> Violation:
    return Violation("no PING is acknowledged", side=Side.SERVER)


def test_a_case_whose_control_failed_is_not_started(tmp_path: Path) -> None:
    broken: Requirement[Observation] = Requirement(
        "it", Level.TEST, "control", "It is.", False, lambda seen: iter([failing(seen)])
    )
    tests = {**TESTS, CONTROL: replace(TESTS[CONTROL], requirements=(broken,))}
    programs = {"client": done, "server": server()}
    results, _ = whole_run(tmp_path, (job(CASE), job(CONTROL)), programs, tests)
    verdict = results[f"a_tester/{CASE}"].verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == (
        "its control control/transfer failed: the server: no PING is acknowledged"
    )
    record = read_attempt(tmp_path / "run" / "a_tester" / CASE)
    assert record.server.ending is record.client.ending is Ending.NOT_STARTED
    assert record.repeat_command.startswith("quicmatrix conform a --role server")


def test_a_case_whose_control_is_unsupported_is_too(tmp_path: Path) -> None:
    programs = {"client": done, "server": server(127)}
    results, _ = whole_run(tmp_path, (job(CONTROL), job(CASE)), programs)
    verdict = results[f"a_tester/{CASE}"].verdict
    assert verdict.outcome is Outcome.UNSUPPORTED
    assert "exited with 127: it does not support TESTCASE retry" in verdict.reason


def test_each_repetition_has_its_own_control(tmp_path: Path) -> None:
    """The second control crashes, and only the second repetition of the case is left out."""
    seen: list[str] = []

    async def crashing(running: Running) -> Exit:
        if running.launch.environment["TESTCASE"].startswith("unknown-"):
            return Exit(127)
        seen.append("one")
        return Exit(None, 11) if len(seen) == 2 else await until_terminated(running)

    jobs = tuple(
        job(test, repetitions=2, repetition=number) for test in (CONTROL, CASE) for number in (1, 2)
    )
    results, _ = whole_run(tmp_path, jobs, {"client": done, "server": crashing}, parallel=1)
    outcomes = {folder: one.verdict.outcome for folder, one in results.items()}
    assert outcomes == {
        f"a_tester/{CONTROL}/1": Outcome.PASSED,
        f"a_tester/{CONTROL}/2": Outcome.CRASHED,
        f"a_tester/{CASE}/1": Outcome.PASSED,
        f"a_tester/{CASE}/2": Outcome.INCONCLUSIVE,
    }
    assert "its control control/transfer crashed: the server was ended by SIGSEGV" in (
        results[f"a_tester/{CASE}/2"].verdict.reason
    )
