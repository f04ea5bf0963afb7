"""How trials are run and what becomes of those that come to nothing, without real machines."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.cases import catalogue
from quicmatrix.runner.contract_check.model import Observations, Unseen
from quicmatrix.runner.contract_check.observe import Setting, observe
from quicmatrix.runner.execute.attempt import Stage
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.plan import select
from quicmatrix.runner.sandbox.fake import FakeBackend, Running, succeed, until_terminated
from quicmatrix.runner.sandbox.model import Exit, Limits
from quicmatrix.runner.trace.model import Side
from tests.support.fake_sim import sim

ANYONE = Implementation("anyone", commands=dict.fromkeys(Side, (sys.executable,)))
TRIALS = {trial.name: trial for trial in catalogue(select.testcases())}

pytestmark = pytest.mark.tshark


async def well_behaved(running: Running) -> Exit:
    """Knows transfer and no other test case."""
    if running.launch.environment["TESTCASE"].startswith("unknown-"):
        return Exit(127)
    if running.launch.environment["ROLE"] == "client":
        return Exit(0)
    return await until_terminated(running)


def look(
    tmp_path: Path, backend: FakeBackend, *names: str
) -> tuple[Observations, list[tuple[str, str]]]:
    """Run trials; what was seen, and what was told meanwhile."""
    told: list[tuple[str, str]] = []
    stage = Stage(backend, "run", tmp_path, tmp_path, Limits(), stop_s=1.0)
    setting = Setting(ANYONE, ANYONE, stage, tmp_path, parallel=2)
    seen = asyncio.run(
        observe(
            setting,
            [TRIALS[name] for name in names],
            started=lambda trial: told.append(("started", trial.name)),
            finished=lambda trial: told.append(("finished", trial.name)),
        )
    )
    return seen, told


def test_basic_trials_come_first(tmp_path: Path) -> None:
    backend = FakeBackend({"client": well_behaved, "server": well_behaved, "sim": sim()})
    seen, told = look(tmp_path, backend, "client-absent", "client-transfer", "client-unknown")
    assert told[-2:] == [("started", "client-absent"), ("finished", "client-absent")]
    assert {name for what, name in told if what == "finished"} == {
        "client-absent",
        "client-transfer",
        "client-unknown",
    }
    assert seen.roles == {Side.CLIENT}
    assert seen.answer(Side.CLIENT, "client-unknown").problem == ""
    assert seen.answer(Side.CLIENT, "client-unknown").exit == Exit(127)
    assert seen.conversation("client-transfer").record.client.exit_code == 0
    assert seen.conversation("client-absent").trace is None, "no rule looks at it"


def test_a_server_that_is_never_ready_is_not_tried_again(tmp_path: Path) -> None:
    backend = FakeBackend({"client": succeed, "server": until_terminated, "sim": sim(ready=False)})
    seen, told = look(tmp_path, backend, "server-retry", "server-transfer", "server-v2")
    assert [name for what, name in told if what == "started"] == ["server-transfer"]
    assert len([name for what, name in told if what == "finished"]) == 3
    assert not seen.conversation("server-transfer").record.server_ready
    with pytest.raises(Unseen, match="the server never got ready"):
        seen.conversation("server-retry")


def test_what_cannot_be_started_is_not_tried_again(tmp_path: Path) -> None:
    backend = FakeBackend({"client": succeed, "sim": sim()})
    seen, told = look(tmp_path, backend, "server-retry", "server-transfer", "server-unknown")
    assert "No such file" in seen.unlaunchable
    assert ("started", "server-retry") not in told
    with pytest.raises(Unseen, match="it could not be started"):
        seen.conversation("server-retry")


def test_a_fault_of_the_machine_is_told_and_no_answer(tmp_path: Path) -> None:
    seen, _ = look(tmp_path, FakeBackend({}, fault="no namespaces"), "server-unknown")
    with pytest.raises(Unseen, match="the machine or the runner failed: no namespaces"):
        seen.answer(Side.SERVER, "server-unknown")


def test_the_environment_of_a_trial_is_what_the_trial_says(tmp_path: Path) -> None:
    environments: dict[str, dict[str, str]] = {}

    async def client(running: Running) -> Exit:
        environments["client"] = dict(running.launch.environment)
        return Exit(1)

    async def server(running: Running) -> Exit:
        environments["server"] = dict(running.launch.environment)
        return await until_terminated(running)

    programs = {"client": client, "server": server, "sim": sim()}
    look(tmp_path, FakeBackend(programs), "client-absent")
    assert environments["client"]["REQUESTS"] == "https://server4:443/there-is-no-such-file"
    look(tmp_path, FakeBackend(programs), "client-transfer")
    assert len(environments["client"]["REQUESTS"].split()) == 4
    assert "SSLKEYLOGFILE" in environments["client"]
    assert "SSLKEYLOGFILE" not in environments["server"]


def test_nothing_is_left_in_scratch(tmp_path: Path) -> None:
    backend = FakeBackend({"client": well_behaved, "server": well_behaved, "sim": sim()})
    (tmp_path / "runs").mkdir()
    stage = Stage(backend, "run", tmp_path, tmp_path, Limits())
    setting = Setting(ANYONE, ANYONE, stage, tmp_path / "runs", parallel=1)
    trials = [TRIALS["client-unknown"], TRIALS["client-transfer"]]
    asyncio.run(observe(setting, trials, started=lambda _: None, finished=lambda _: None))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
