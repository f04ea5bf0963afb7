"""A whole run over fakes: what is told, what is stored, and what an interruption leaves."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.execute.run import RunOptions, execute, repeat_command
from quicmatrix.runner.judge import judge
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.select import Selection, jobs
from quicmatrix.runner.results import store
from quicmatrix.runner.results.store import JobResult, RunResult
from quicmatrix.runner.sandbox.fake import FakeBackend, Program, Running
from quicmatrix.runner.sandbox.model import Exit
from quicmatrix.runner.trace.model import Capture, Side, Trace
from quicmatrix.testcases.model import TestCase
from tests.support.fake_sim import sim

COMMANDS = dict.fromkeys(Side, (sys.executable,))
A = Implementation("a", url="https://a.example", commands=COMMANDS)
B = Implementation("b", commands=COMMANDS)
ONE = TestCase("one", "1", "It works.", "one", "one", ())
TWO = TestCase("two", "2", "It works.", "two", "two", ())


class Recorder:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.running = 0
        self.most = 0
        self.result: RunResult | None = None

    def run_started(self, jobs: Sequence[Job], folder: Path) -> None:
        self.told.append(f"{len(jobs)} jobs in {folder.name}")

    def job_started(self, job: Job) -> None:
        self.running += 1
        self.most = max(self.most, self.running)

    def job_finished(self, result: JobResult) -> None:
        self.running -= 1
        self.told.append(f"{result.client}-{result.server} {result.test} {result.verdict.outcome}")

    def note(self, message: str) -> None:
        self.told.append(message)

    def run_finished(self, result: RunResult) -> None:
        self.result = result


@pytest.fixture(autouse=True)
def _no_tshark(monkeypatch: pytest.MonkeyPatch) -> None:
    async def decode(_: Path) -> Trace:
        return Trace(Capture(Side.CLIENT), Capture(Side.SERVER))

    monkeypatch.setattr(judge, "decode", decode)


def supports(*tests: str, code: int = 127) -> Program:
    """Endpoints that know some tests, and what they say to others."""

    async def program(running: Running) -> Exit:
        variables = running.launch.environment
        if variables["TESTCASE"] not in tests:
            return Exit(code if variables["TESTCASE"].startswith("unknown-") else 127)
        if variables["ROLE"] == "server":
            await running.terminated.wait()
        return Exit(0)

    return program


def do(
    tmp_path: Path,
    recorder: Recorder,
    program: Program,
    *,
    parallel: int = 1,
    repeat: int = 1,
) -> RunResult:
    selection = Selection((A,), (A, B), (ONE, TWO), left_out=("c: no such program",))
    (tmp_path / "scratch").mkdir()
    options = RunOptions(
        folder=tmp_path / "run",
        scratch=tmp_path / "scratch",
        run_id="id",
        seed=7,
        parallel=parallel,
        command_line="quicmatrix run",
        cwd=tmp_path,
    )
    backend = FakeBackend({"client": program, "server": program, "sim": sim()})
    work = execute(selection, jobs(selection, 7, repeat), options, backend, recorder)
    return asyncio.run(work)


def test_every_job_is_done_told_and_stored(tmp_path: Path) -> None:
    recorder = Recorder()
    result = do(tmp_path, recorder, supports("one"))
    assert recorder.told == [
        "4 jobs in run",
        "left out: c: no such program",
        "a-a one passed",
        "a-a two unsupported",
        "a-b one passed",
        "a-b two unsupported",
    ]
    assert result.complete
    assert result == recorder.result == store.load(tmp_path / "run")
    assert result.urls["a"] == "https://a.example"
    assert result.tools["quicmatrix"]
    for job in result.jobs:
        assert (tmp_path / "run" / job.folder / "attempt.json").exists()


def test_never_more_side_by_side_than_asked(tmp_path: Path) -> None:
    recorder = Recorder()
    do(tmp_path, recorder, supports("one", "two"), parallel=3, repeat=3)
    assert recorder.most == 3


def test_an_endpoint_that_does_not_know_127_is_asked_once_and_fails_all(tmp_path: Path) -> None:
    asked: list[str] = []
    knows_all = supports("one", "two", code=0)

    async def program(running: Running) -> Exit:
        asked.append(running.launch.environment["TESTCASE"])
        return await knows_all(running)

    result = do(tmp_path, Recorder(), program, parallel=4)
    assert {job.verdict.outcome for job in result.jobs} == {Outcome.FAILED}
    assert {job.folder for job in result.jobs} == {""}
    assert len(asked) == 3  # a as client, a and b as servers
    assert all(test.startswith("unknown-") for test in asked)


def test_an_interrupted_run_keeps_what_was_done(tmp_path: Path) -> None:
    supported = supports("one", "two")

    class Impatient(Recorder):
        def job_finished(self, result: JobResult) -> None:
            super().job_finished(result)
            task = next(task for task in asyncio.all_tasks() if task.get_name() == "run")
            task.cancel()

    recorder = Impatient()
    selection = Selection((A,), (A,), (ONE, TWO))
    (tmp_path / "scratch").mkdir()
    options = RunOptions(tmp_path / "run", tmp_path / "scratch", "id", 7, cwd=tmp_path)
    backend = FakeBackend({"client": supported, "server": supported, "sim": sim()})

    async def interrupted() -> None:
        work = execute(selection, jobs(selection, 7), options, backend, recorder)
        task = asyncio.create_task(work, name="run")
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(interrupted())
    result = store.load(tmp_path / "run")
    assert [job.test for job in result.jobs] == ["one"]
    assert not result.complete
    assert result.planned == 2
    assert recorder.result == result


def test_the_command_that_repeats_a_job() -> None:
    mine = Implementation("mine", given={Side.CLIENT: "./my client --x"})
    line = repeat_command(Job(mine, B, ONE, seed=9), ["--strict"])
    assert shlex.split(line) == [
        *("quicmatrix", "run", "-c", "mine=./my client --x", "-s", "b", "-t", "one"),
        *("--seed", "9", "--strict"),
    ]


def measurement(name: str, repetitions: int = 1) -> TestCase:
    return replace(
        ONE,
        name=name,
        letter=name[0].upper(),
        client=name,
        server=name,
        figure=lambda _: 9000.0,
        repetitions=repetitions,
    )


class Load(Recorder):
    """Remembers what ran beside what, by when programs ran and not by when jobs were told of."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[str] = []
        self.beside: list[tuple[str, ...]] = []
        self.cores: list[int | None] = []

    async def client(self, running: Running) -> Exit:
        test = running.launch.environment["TESTCASE"]
        if test.startswith("unknown-"):
            return Exit(127)
        self.clients.append(test)
        self.beside.append(tuple(sorted(self.clients)))
        self.cores.append(running.launch.core)
        for _ in range(20):  # turns of the loop, in which others could begin
            await asyncio.sleep(0)
        self.clients.remove(test)
        return Exit(0)


def run_with(
    tmp_path: Path,
    load: Load,
    tests: tuple[TestCase, ...],
    *,
    parallel: int = 4,
    cores: tuple[int, ...] = (),
    retries: int = 0,
    client: Program | None = None,
) -> RunResult:
    (tmp_path / "scratch").mkdir()
    selection = Selection((A,), (A, B), tests)
    options = RunOptions(
        folder=tmp_path / "run",
        scratch=tmp_path / "scratch",
        run_id="id",
        seed=7,
        parallel=parallel,
        cores=cores,
        retries=retries,
        cwd=tmp_path,
    )
    server = supports(*(test.server for test in tests))
    programs = {"client": client or load.client, "server": server, "sim": sim()}
    work = execute(selection, jobs(selection, 7), options, FakeBackend(programs), load)
    return asyncio.run(work)


def test_a_measurement_never_runs_beside_anything_else(tmp_path: Path) -> None:
    load = Load()
    run_with(tmp_path, load, (measurement("fast", 3), ONE, measurement("slow", 2), TWO))
    with_measurements = [tests for tests in load.beside if {"fast", "slow"} & set(tests)]
    assert len(with_measurements) == 10
    assert {len(tests) for tests in with_measurements} == {1}
    assert max(map(len, load.beside)) == 4  # the tests did run side by side
    assert set(load.beside[-1]) <= {"fast", "slow"}  # and came first


def test_measurements_run_beside_each_other_only_with_a_core_each(tmp_path: Path) -> None:
    load = Load()
    run_with(tmp_path, load, (ONE, measurement("fast", 3)), cores=(4, 6))
    assert max(len(tests) for tests in load.beside if "fast" in tests) == 2
    assert not any({"one", "fast"} <= set(tests) for tests in load.beside)
    assert sorted(core for core in load.cores if core is not None) == [4] * 3 + [6] * 3


def test_one_place_is_one_measurement_at_a_time(tmp_path: Path) -> None:
    load = Load()
    run_with(tmp_path, load, (measurement("fast", 3),), parallel=1, cores=(4, 6))
    assert max(map(len, load.beside)) == 1


def test_no_capture_is_decoded_while_something_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Load()
    measured: list[tuple[str, ...]] = []

    async def decode(_: Path) -> Trace:
        measured.append(tuple(load.clients))
        return Trace(Capture(Side.CLIENT), Capture(Side.SERVER))

    monkeypatch.setattr(judge, "decode", decode)
    run_with(tmp_path, load, (measurement("fast", 4),), cores=(0, 1))
    assert measured == [()] * 8


def flaky(load: Load, failures: int) -> Program:
    """A client that fails so often before it does what it should."""
    left = failures

    async def client(running: Running) -> Exit:
        nonlocal left
        how = await load.client(running)
        if how.code == 0 and left:
            left -= 1
            return Exit(1)
        return how

    return client


def test_what_did_not_pass_is_attempted_again_with_the_next_seed(tmp_path: Path) -> None:
    load = Load()
    result = run_with(tmp_path, load, (ONE,), parallel=1, retries=2, client=flaky(load, failures=1))
    of_a = [job for job in result.jobs if job.server == "a"]
    assert [(job.attempt, job.seed, job.verdict.outcome) for job in of_a] == [
        (1, 7, Outcome.FAILED),
        (2, 8, Outcome.PASSED),
    ]
    assert [job.folder for job in of_a] == ["a_a/one", "a_a/one.attempt-2"]
    for job in of_a:
        assert store.read_attempt(tmp_path / "run" / job.folder).attempt == job.attempt
    assert [job.attempt for job in result.jobs if job.server == "b"] == [1]
    assert result.planned == 3
    assert result.complete


def test_retries_come_to_an_end(tmp_path: Path) -> None:
    load = Load()
    result = run_with(tmp_path, load, (ONE,), retries=2, client=flaky(load, failures=99))
    assert [job.attempt for job in result.jobs if job.server == "a"] == [1, 2, 3]
    assert len({job.seed for job in result.jobs if job.server == "a"}) == 3


def test_what_is_not_supported_is_not_attempted_again(tmp_path: Path) -> None:
    load = Load()

    async def client(_: Running) -> Exit:
        return Exit(127)

    result = run_with(tmp_path, load, (ONE,), retries=2, client=client)
    assert [job.verdict.outcome for job in result.jobs] == [Outcome.UNSUPPORTED] * 2


def test_a_measurement_that_fails_is_attempted_again_alone(tmp_path: Path) -> None:
    load = Load()
    result = run_with(
        tmp_path, load, (measurement("fast"), ONE), retries=1, client=flaky(load, failures=3)
    )
    again = [job for job in result.jobs if job.attempt == 2]
    assert {job.test for job in again} >= {"one"}
    assert all(len(tests) == 1 for tests in load.beside if "fast" in tests)
