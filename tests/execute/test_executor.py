"""What an executor does around an attempt."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path

from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.execute.attempt import Names, Stage
from quicmatrix.runner.execute.executor import LocalExecutor, repeat_command
from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.sandbox.fake import FakeBackend, Running
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase
from tests.support.fake_sim import sim

ONE = TestCase("one", "1", "It works.", "one", "one", ())
JOB = Job.of("a", "b", "one", 9)


def names(a: Implementation | None = None) -> Names:
    commands = dict.fromkeys(Side, (sys.executable,))
    return Names(
        {
            "a": a or Implementation("a", commands=commands),
            "b": Implementation("b", commands=commands),
        },
        {"one": ONE},
    )


def test_the_command_that_repeats_a_job() -> None:
    a = Implementation("a", given={Side.CLIENT: "./my client --x"})
    line = repeat_command(JOB, names(a), ["--strict"])
    assert shlex.split(line) == [
        *("quicmatrix", "run", "-c", "a=./my client --x", "-s", "b", "-t", "one"),
        *("--seed", "9", "--strict"),
    ]


def executor(tmp_path: Path, backend: FakeBackend) -> LocalExecutor:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    stage = Stage(backend, "id", scratch, tmp_path, Limits())
    return LocalExecutor(names(), stage, tmp_path / "run")


def test_who_does_not_exit_with_127_is_not_started_and_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []

    async def knows_everything(running: Running) -> Exit:
        asked.append(running.launch.environment["TESTCASE"])
        running.log.write_text("I know everything\n")
        return Exit(0)

    async def knows_nothing(_: Running) -> Exit:
        return Exit(127)

    programs = {"client": knows_everything, "server": knows_nothing, "sim": sim()}
    local = executor(tmp_path, FakeBackend(programs))

    async def twice() -> list[Path]:
        return [await local.run(JOB), await local.run(JOB.again())]

    for bundle in asyncio.run(twice()):
        record = read_attempt(bundle)
        assert record.client.ending is record.server.ending is Ending.NOT_STARTED
        assert "it exited with 0 instead of 127" in record.client.unknown_testcase
        assert record.server.unknown_testcase == ""
        # Reports link it, and `explain` shows it.
        assert (bundle / "client" / "output.log").read_text() == "I know everything\n"
        assert (bundle / "server" / "output.log").read_text() == ""
        assert record.repeat_command.startswith("quicmatrix run")
    assert len(asked) == 1


def test_a_machine_that_fails_once_is_asked_again(tmp_path: Path) -> None:
    calls: list[str] = []

    async def server(running: Running) -> Exit:
        calls.append(running.launch.environment["TESTCASE"])
        if len(calls) == 1:
            raise OSError("no memory")
        return Exit(127)

    async def client(_: Running) -> Exit:
        return Exit(127)

    local = executor(tmp_path, FakeBackend({"client": client, "server": server, "sim": sim()}))
    first = read_attempt(asyncio.run(local.run(JOB)))
    assert "no memory" in first.fault
    second = read_attempt(asyncio.run(local.run(JOB.again())))
    assert second.fault == ""
    assert second.server.exit_code == 127
