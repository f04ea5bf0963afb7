"""A whole run over fakes: what is told, what is stored, and what an interruption leaves."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_sim import sim

from runner import judge, store
from runner.execute.run import RunOptions, execute, repeat_command
from runner.model import Implementation, Job, Outcome
from runner.sandbox.fake import FakeBackend, Program, Running
from runner.sandbox.model import Exit
from runner.select import Selection, jobs
from runner.store import JobResult, RunResult
from runner.trace.model import Capture, Side, Trace
from testcases.model import TestCase

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
