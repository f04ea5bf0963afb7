from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.execute import unknown
from quicmatrix.runner.execute.attempt import START_S, Stage
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.fake import FakeBackend, Program, Running
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from tests.support.fake_sim import sim

IMPLEMENTATION = Implementation("a", commands=dict.fromkeys(Side, (sys.executable,)))


def ask(tmp_path: Path, program: Program, role: Side = Side.CLIENT) -> str:
    tmp_path.mkdir(exist_ok=True)
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
        (Exit(None, 9, log_overflow=True), "flooded its log and was stopped"),
        (Exit(None, 9, out_of_memory=True), "used more memory than it may"),
    ],
)
def test_anything_else_is_a_failure_of_that_role(tmp_path: Path, how: Exit, said: str) -> None:
    assert said in ask(tmp_path, ends(how), Side.SERVER)


def test_an_endpoint_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "TIME_LIMIT_S", 0.05)

    async def hang(_: Running) -> Exit:
        await asyncio.Event().wait()
        return Exit(0)

    assert "still ran after 0.05 s" in ask(tmp_path, hang)


def test_all_that_a_test_has_is_there(tmp_path: Path) -> None:
    """quic-go's server loads its certificate before it looks at TESTCASE."""
    www: list[str] = []
    environments: dict[str, Mapping[str, str]] = {}

    async def program(running: Running) -> Exit:
        certs = running.host.folder("/certs")
        assert sorted(path.name for path in certs.iterdir()) == ["ca.pem", "cert.pem", "priv.key"]
        assert "PRIVATE KEY" in (certs / "priv.key").read_text(encoding="ascii")
        environments[running.host.name] = running.launch.environment
        www.extend(path.name for path in running.host.folder("/www").iterdir())
        return Exit(127)

    for role in Side:
        assert ask(tmp_path / role, program, role) == ""
        assert {"ROLE", "TESTCASE", "SSLKEYLOGFILE", "QLOGDIR"} <= environments[role].keys()
    assert len(www) == 1
    (request,) = environments["client"]["REQUESTS"].split()
    assert len(request.removeprefix("https://server4:443/")) == len(www[0])


def test_the_end_of_its_log_says_why(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(99)]
    lines += ["", "cannot load /certs/cert.pem", "\x1b[2Jbye" + "x" * 1000]

    async def program(running: Running) -> Exit:
        running.log.write_text("\n".join(lines))
        return Exit(2)

    said = ask(tmp_path, program)
    assert "exited with 2 instead of 127; its log ends with: line 98; cannot load /certs" in said
    assert "\\x1b[2Jbye" in said
    assert said.isprintable()
    assert len(said) < 500


def test_a_start_of_half_a_minute_is_no_failure() -> None:
    """A JVM needs seconds, and many on a busy machine."""
    assert unknown.TIME_LIMIT_S >= 60
    assert START_S >= 30


def test_nothing_is_left_in_scratch(tmp_path: Path) -> None:
    ask(tmp_path, ends(replace(Exit(127))))
    assert [path.name for path in tmp_path.iterdir()] == ["asked"]
