"""A whole run over fakes: what observers hear, what is stored, and what an interruption leaves."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.layout import ATTEMPT_FILE, VERDICT_FILE
from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.execute.attempt import Names, Stage
from quicmatrix.runner.execute.run import RunOptions, execute
from quicmatrix.runner.execute.scheduler import Observer, Parallelism
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunInfo, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Judgement, Outcome, Verdict
from quicmatrix.runner.plan.select import Selection, jobs
from quicmatrix.runner.results.run_files import Plan, load
from quicmatrix.runner.sandbox.fake import FakeBackend, Program, Running
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.fragmentation import datagrams_are_not_fragmented
from tests.support.fake_sim import sim
from tests.support.in_process_judge import InProcessJudge

COMMANDS = dict.fromkeys(Side, (sys.executable,))
A = Implementation("a", url="https://a.example", commands=COMMANDS)
B = Implementation("b", commands=COMMANDS)
# What is required of packets has none to look at.
OF_RECORDS = tuple(one for one in ENDPOINT_CONTRACT if one is not datagrams_are_not_fragmented)
ONE = TestCase("one", "1", "It works.", "one", "one", OF_RECORDS)
TWO = TestCase("two", "2", "It works.", "two", "two", OF_RECORDS)


class Recorder:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.running = 0
        self.most = 0
        self.result: RunResult | None = None

    def run_started(self, plan: Plan, folder: Path) -> None:
        self.heard.append(f"{len(plan.jobs)} jobs in {folder.name}")

    def job_started(self, job: Job) -> None:
        self.running += 1
        self.most = max(self.most, self.running)

    def job_finished(self, result: JobResult) -> None:
        self.running -= 1
        self.heard.append(f"{result.client}-{result.server} {result.test} {result.verdict.outcome}")

    def note(self, message: str) -> None:
        self.heard.append(message)

    def run_finished(self, result: RunResult) -> None:
        self.result = result


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


def prepared(
    tmp_path: Path,
    selection: Selection,
    programs: dict[str, Program],
    *,
    repeat: int | None = None,
    retries: int = 0,
    parallelism: Parallelism = Parallelism(),  # noqa: B008 - frozen
) -> tuple[Plan, RunOptions, InProcessJudge]:
    """What ``execute`` wants, over a fake backend."""
    (tmp_path / "scratch").mkdir()
    everybody = (*selection.clients, *selection.servers)
    info = RunInfo(
        run_id="id",
        started_at=1.0,
        clients=tuple(one.name for one in selection.clients),
        servers=tuple(one.name for one in selection.servers),
        urls={one.name: one.url for one in everybody},
        tests=tuple(
            TestInfo(test.name, test.letter, test.summary, test.scenario, test.is_measurement)
            for test in selection.tests
        ),
        seed=7,
        retries=retries,
    )
    names = Names({one.name: one for one in everybody}, {one.name: one for one in selection.tests})
    backend = FakeBackend({**programs, "sim": sim()})
    stage = Stage(backend, "id", tmp_path / "scratch", tmp_path, Limits())
    options = RunOptions(tmp_path / "run", stage, names, parallelism)
    return Plan(info, jobs(selection, 7, repeat)), options, InProcessJudge(names.tests)


def do(
    tmp_path: Path,
    observer: Observer,
    program: Program,
    *,
    parallel: int = 1,
    repeat: int = 1,
) -> RunResult:
    selection = Selection((A,), (A, B), (ONE, TWO))
    programs = {"client": program, "server": program}
    plan, options, judge = prepared(
        tmp_path, selection, programs, repeat=repeat, parallelism=Parallelism(parallel)
    )
    return asyncio.run(execute(plan, options, judge, observer))


def test_every_job_is_done_told_and_stored(tmp_path: Path) -> None:
    recorder = Recorder()
    result = do(tmp_path, recorder, supports("one"))
    assert recorder.heard == [
        "4 jobs in run",
        "a-a one passed",
        "a-a two unsupported",
        "a-b one passed",
        "a-b two unsupported",
    ]
    assert result.complete
    assert result == recorder.result == load(tmp_path / "run")
    assert result.urls["a"] == "https://a.example"
    for job in result.jobs:
        assert (tmp_path / "run" / job.folder / ATTEMPT_FILE).exists()
        assert job.command.startswith(f"quicmatrix run -c {job.client} -s {job.server}")


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
    assert {job.verdict.reason for job in result.jobs} == {result.jobs[0].verdict.reason}
    assert "instead of 127" in result.jobs[0].verdict.reason
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
    plan, options, judge = prepared(tmp_path, selection, {"client": supported, "server": supported})

    async def interrupted() -> None:
        work = execute(plan, options, judge, recorder)
        task = asyncio.create_task(work, name="run")
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(interrupted())
    result = load(tmp_path / "run")
    assert [job.test for job in result.jobs] == ["one"]
    assert not result.complete
    assert result.planned == 2
    assert recorder.result == result


def test_an_attempt_that_fails_in_the_runner_ends_no_other(tmp_path: Path) -> None:
    supported = supports("one", "two")

    async def client(running: Running) -> Exit:
        if running.launch.environment["TESTCASE"] == "one":
            raise ZeroDivisionError("nobody foresaw this")
        return await supported(running)

    selection = Selection((A,), (A,), (ONE, TWO))
    plan, options, judge = prepared(tmp_path, selection, {"client": client, "server": supported})
    result = asyncio.run(execute(plan, options, judge, Recorder()))
    assert {job.test: job.verdict.outcome for job in result.jobs} == {
        "one": Outcome.ERROR,
        "two": Outcome.PASSED,
    }
    assert "ZeroDivisionError: nobody foresaw this" in result.jobs[0].verdict.reason


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_bundle_that_cannot_be_made_ends_no_other_attempt(tmp_path: Path, parallel: int) -> None:
    selection = Selection((A,), (A,), (ONE, TWO, measurement("fast")))
    supported = supports("one", "two", "fast")
    plan, options, judge = prepared(
        tmp_path,
        selection,
        {"client": supported, "server": supported},
        parallelism=Parallelism(parallel),
    )
    for test in ("one", "fast"):
        (tmp_path / "run" / "a_a" / test / "client").mkdir(parents=True)
    recorder = Recorder()
    result = asyncio.run(execute(plan, options, judge, recorder))
    assert {job.test: job.verdict.outcome for job in result.jobs} == {
        "one": Outcome.ERROR,
        "two": Outcome.PASSED,
        "fast": Outcome.ERROR,
    }
    assert all("File exists" in j.verdict.reason for j in result.jobs if j.test != "two")
    assert result.complete
    assert load(tmp_path / "run") == result


def test_a_judge_that_raises_ends_no_other_attempt(tmp_path: Path) -> None:
    def judging(bundle: Path) -> None:
        if bundle.name == "one":
            raise RuntimeError("the decoder has a bug")

    result = run_with(tmp_path, Load(), (ONE, measurement("fast")), judging=judging)
    outcomes = {job.test: job.verdict.outcome for job in result.jobs}
    assert outcomes == {"one": Outcome.ERROR, "fast": Outcome.PASSED}
    reasons = {job.verdict.reason for job in result.jobs if job.test == "one"}
    assert len(reasons) == 1
    assert reasons.pop().startswith("RuntimeError: the decoder has a bug (test_scheduler.py, line ")


def test_a_verdict_that_cannot_be_stored_ends_no_other_attempt(tmp_path: Path) -> None:
    def judging(bundle: Path) -> None:
        if bundle.name == "one":
            (bundle / VERDICT_FILE).mkdir()

    load_ = Load()
    result = run_with(tmp_path, load_, (ONE, TWO), judging=judging)
    assert {job.test for job in result.jobs} == {"two"}
    assert not result.complete
    assert load_.heard.count("a-a one error") == 1


def test_a_run_that_was_killed_is_collected_from_its_bundles(tmp_path: Path) -> None:
    done = do(tmp_path, Recorder(), supports("one", "two"))
    folder = tmp_path / "run"
    (folder / "result.json").unlink()
    assert load(folder) == done
    (folder / done.jobs[1].folder / VERDICT_FILE).unlink()  # was under way
    (folder / done.jobs[2].folder / ATTEMPT_FILE).write_text("{")
    result = load(folder)
    assert not result.complete
    assert [job.verdict.outcome for job in result.jobs if job.started_at] == [Outcome.PASSED] * 2
    (damaged,) = [job for job in result.jobs if not job.started_at]
    assert damaged.verdict.outcome is Outcome.ERROR
    assert ATTEMPT_FILE in damaged.verdict.reason


def test_two_tests_with_one_letter_stay_two(tmp_path: Path) -> None:
    twin = replace(TWO, letter=ONE.letter)
    programs = {"client": supports("one"), "server": supports("one")}
    plan, options, judge = prepared(tmp_path, Selection((A,), (A,), (ONE, twin)), programs)
    result = asyncio.run(execute(plan, options, judge, Recorder()))
    assert [len(result.of("a", "a", test)) for test in ("one", "two")] == [1, 1]
    assert load(tmp_path / "run" / "result.json") == result


def measurement(name: str, repetitions: int = 1) -> TestCase:
    return replace(
        ONE,
        name=name,
        letter=name[0].upper(),
        client=name,
        server=name,
        metric=lambda _: 9000.0,
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
    judging: Callable[[Path], None] = lambda _: None,
) -> RunResult:
    server = supports(*(test.server for test in tests))
    programs = {"client": client or load.client, "server": server}
    plan, options, judge = prepared(
        tmp_path,
        Selection((A,), (A, B), tests),
        programs,
        retries=retries,
        parallelism=Parallelism(parallel, cores),
    )
    return asyncio.run(execute(plan, options, replace(judge, judging=judging), load))


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


def test_nothing_is_judged_while_something_is_measured(tmp_path: Path) -> None:
    load = Load()
    measured: list[tuple[str, ...]] = []
    run_with(
        tmp_path,
        load,
        (measurement("fast", 4),),
        cores=(0, 1),
        judging=lambda _: measured.append(tuple(load.clients)),
    )
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
        assert read_attempt(tmp_path / "run" / job.folder).attempt == job.attempt
    assert [job.attempt for job in result.jobs if job.server == "b"] == [1]
    assert result.planned == 3
    assert result.complete


@pytest.mark.parametrize(("retries", "attempts"), [(0, [1, 2]), (3, [1, 2, 3, 4])])
def test_what_was_unlucky_is_attempted_again_once_unless_more_is_asked_for(
    tmp_path: Path, retries: int, attempts: list[int]
) -> None:
    class Unlucky(InProcessJudge):
        async def judge(self, bundle: Path) -> Judgement:
            verdict = Verdict(Outcome.INCONCLUSIVE, "the link struck it", unlucky=True)
            return Judgement(verdict, time.time(), 0.0)

    programs = {"client": supports("one"), "server": supports("one")}
    plan, options, judge = prepared(
        tmp_path, Selection((A,), (A,), (ONE,)), programs, retries=retries
    )
    result = asyncio.run(execute(plan, options, Unlucky(judge.tests), Recorder()))
    assert [job.attempt for job in result.jobs] == attempts
    assert len({job.seed for job in result.jobs}) == len(attempts)
    assert result.complete
    assert load(tmp_path / "run") == result


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
