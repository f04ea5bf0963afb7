"""How cases are run and when they are skipped, without real machines."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.cases import contract_cases
from quicmatrix.runner.contract_check.model import Observations
from quicmatrix.runner.contract_check.observe import CheckSetup, observe
from quicmatrix.runner.execute.attempt import Stage
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.plan import select
from quicmatrix.runner.sandbox.fake import FakeBackend, Running, succeed, until_terminated
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Inconclusive
from tests.support.fake_sim import sim

ANYONE = Implementation("anyone", commands=dict.fromkeys(Side, (sys.executable,)))
CASES = {case.name: case for case in contract_cases(select.testcases())}

pytestmark = pytest.mark.tshark


async def knows_transfer(running: Running) -> Exit:
    """Exits with 127 for a TESTCASE that does not exist."""
    if running.launch.environment["TESTCASE"].startswith("unknown-"):
        return Exit(127)
    if running.launch.environment["ROLE"] == "client":
        return Exit(0)
    return await until_terminated(running)


def run(
    tmp_path: Path, backend: FakeBackend, *names: str
) -> tuple[Observations, list[tuple[str, str]]]:
    """Run cases; the observations, and the progress that was reported."""
    progress: list[tuple[str, str]] = []
    stage = Stage(backend, "run", tmp_path, tmp_path, Limits(), stop_s=1.0)
    setup = CheckSetup(ANYONE, ANYONE, stage, tmp_path, parallel=2)
    seen = asyncio.run(
        observe(
            setup,
            [CASES[name] for name in names],
            started=lambda case: progress.append(("started", case.name)),
            finished=lambda case: progress.append(("finished", case.name)),
        )
    )
    return seen, progress


def test_unknown_and_transfer_run_first(tmp_path: Path) -> None:
    backend = FakeBackend({"client": knows_transfer, "server": knows_transfer, "sim": sim()})
    seen, progress = run(tmp_path, backend, "client-absent", "client-transfer", "client-unknown")
    assert progress[-2:] == [("started", "client-absent"), ("finished", "client-absent")]
    assert {name for what, name in progress if what == "finished"} == {
        "client-absent",
        "client-transfer",
        "client-unknown",
    }
    assert seen.unknown_testcase("client-unknown").problem == ""
    assert seen.unknown_testcase("client-unknown").exit == Exit(127)
    assert seen.attempt("client-transfer").record.client.exit_code == 0
    trace = seen.attempt("client-absent").observation.trace
    assert trace.left.damage == "", "its captures are not decoded, since no requirement needs it"


def test_a_server_that_is_never_ready_is_not_tried_again(tmp_path: Path) -> None:
    backend = FakeBackend({"client": succeed, "server": until_terminated, "sim": sim(ready=False)})
    seen, progress = run(tmp_path, backend, "server-retry", "server-transfer", "server-v2")
    assert [name for what, name in progress if what == "started"] == ["server-transfer"]
    assert len([name for what, name in progress if what == "finished"]) == 3
    assert not seen.attempt("server-transfer").record.server_ready
    with pytest.raises(Inconclusive, match="the server never got ready"):
        seen.attempt("server-retry")


def test_what_cannot_be_started_is_not_tried_again(tmp_path: Path) -> None:
    backend = FakeBackend({"client": succeed, "sim": sim()})
    seen, progress = run(tmp_path, backend, "server-retry", "server-transfer", "server-unknown")
    assert "No such file" in seen.launch_error
    assert ("started", "server-retry") not in progress
    with pytest.raises(Inconclusive, match="it could not be started"):
        seen.attempt("server-retry")


def test_a_fault_of_the_machine_is_inconclusive(tmp_path: Path) -> None:
    seen, _ = run(tmp_path, FakeBackend({}, fault="no namespaces"), "server-unknown")
    with pytest.raises(Inconclusive, match="the machine or the runner failed: no namespaces"):
        seen.unknown_testcase("server-unknown")


def test_a_case_changes_the_environment(tmp_path: Path) -> None:
    environments: dict[str, dict[str, str]] = {}

    async def client(running: Running) -> Exit:
        environments["client"] = dict(running.launch.environment)
        return Exit(1)

    async def server(running: Running) -> Exit:
        environments["server"] = dict(running.launch.environment)
        return await until_terminated(running)

    programs = {"client": client, "server": server, "sim": sim()}
    run(tmp_path, FakeBackend(programs), "client-absent")
    assert environments["client"]["REQUESTS"] == "https://server4:443/there-is-no-such-file"
    run(tmp_path, FakeBackend(programs), "client-transfer")
    assert len(environments["client"]["REQUESTS"].split()) == 4
    assert "SSLKEYLOGFILE" in environments["client"]
    assert "SSLKEYLOGFILE" not in environments["server"]


def test_nothing_is_left_in_scratch(tmp_path: Path) -> None:
    backend = FakeBackend({"client": knows_transfer, "server": knows_transfer, "sim": sim()})
    (tmp_path / "runs").mkdir()
    stage = Stage(backend, "run", tmp_path, tmp_path, Limits())
    setup = CheckSetup(ANYONE, ANYONE, stage, tmp_path / "runs", parallel=1)
    cases = [CASES["client-unknown"], CASES["client-transfer"]]
    asyncio.run(observe(setup, cases, started=lambda _: None, finished=lambda _: None))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
