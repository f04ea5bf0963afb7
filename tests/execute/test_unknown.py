from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.execute import unknown
from quicmatrix.runner.execute.attempt import Stage
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.fake import FakeBackend, Program, Running
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from tests.support.fake_sim import sim

IMPLEMENTATION = Implementation("a", commands=dict.fromkeys(Side, (sys.executable,)))


def ask(tmp_path: Path, program: Program, role: Side = Side.CLIENT) -> str:
    backend = FakeBackend({str(role): program, "sim": sim()})
    stage = Stage(backend, "run", tmp_path, tmp_path, Limits())
    return asyncio.run(unknown.problem(IMPLEMENTATION, role, tmp_path / "asked", stage))


def ends(how: Exit) -> Program:
    async def program(_: Running) -> Exit:
        return how

    return program


@pytest.mark.parametrize("role", Side)
def test_127_is_right(tmp_path: Path, role: Side) -> None:
    assert ask(tmp_path, ends(Exit(127)), role) == ""


def test_the_test_asked_for_cannot_exist_and_the_client_has_something_to_request(
    tmp_path: Path,
) -> None:
    seen: dict[str, str] = {}

    async def program(running: Running) -> Exit:
        seen.update(running.launch.environment)
        return Exit(127)

    ask(tmp_path, program)
    assert seen["TESTCASE"].startswith("unknown-")
    assert seen["REQUESTS"].startswith("https://server4:443/")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Exit(0), "exited with 0 instead of 127"),
        (Exit(1), "exited with 1 instead of 127"),
        (Exit(None, 11), "was ended by signal 11 instead of 127"),
    ],
)
def test_anything_else_is_a_failure_of_that_role(tmp_path: Path, how: Exit, said: str) -> None:
    assert said in ask(tmp_path, ends(how), Side.SERVER)


def test_an_endpoint_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "_TIME_LIMIT_S", 0.05)

    async def hang(_: Running) -> Exit:
        await asyncio.Event().wait()
        return Exit(0)

    assert "still ran after 0.05 s" in ask(tmp_path, hang)


def test_nothing_is_left_in_scratch(tmp_path: Path) -> None:
    ask(tmp_path, ends(replace(Exit(127))))
    assert [path.name for path in tmp_path.iterdir()] == ["asked"]
