from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.fake import (
    FakeBackend,
    FakeSandbox,
    Running,
    succeed,
    until_terminated,
)
from quicmatrix.runner.sandbox.model import Backend, Exit, Launch, LaunchError, Limits, SandboxError
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from tests.support.one_sandbox import folders

LAUNCH = Launch(("program",), Path("/"))


def test_both_backends_are_backends() -> None:
    backends: list[Backend] = [FakeBackend({}), NetnsBackend()]
    assert len(backends) == 2


async def download(running: Running) -> Exit:
    """A client that finds what the test case asks for."""
    (running.host.folder("/downloads") / "file").write_text(running.launch.command[0])
    running.log.write_text("done\n")
    return Exit(3)


async def hang(_: Running) -> Exit:
    return await asyncio.Event().wait() and Exit(0)


def test_programs_act_in_folders(tmp_path: Path) -> None:
    async def story() -> FakeSandbox:
        backend = FakeBackend({"client": download, "server": until_terminated})
        async with backend.sandbox("run", folders(tmp_path), Limits()) as made:
            server = await made.server.start(LAUNCH, tmp_path / "server")
            client = await made.client.start(LAUNCH, tmp_path / "client")
            assert await client.wait() == await client.wait() == Exit(3)
            assert (made.client.folder("/downloads") / "file").read_text() == "program"
            assert (made.server.folder("/www") / "index").read_text() == "served"
            assert (made.client.folder("/certs/") / "ca.pem").read_text() == "trusted"
            assert (made.server.folder("/logs") / "qlog").is_dir()
            assert await server.stop() == await server.kill() == Exit(0)
            return made

    made = asyncio.run(story())
    assert made.client.launches == [LAUNCH]
    assert not made.client.root.exists()
    assert (tmp_path / "client").read_text() == "done\n"


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    async def story() -> None:
        backend = FakeBackend({"client": hang, "server": hang}, stop_grace_s=0.01)
        async with backend.sandbox("run", folders(tmp_path), Limits()) as made:
            client = await made.client.start(LAUNCH, tmp_path / "client")
            assert await client.stop() == Exit(None, signal.SIGKILL)
            server = await made.server.start(LAUNCH, tmp_path / "server")
        assert await server.wait() == Exit(None, signal.SIGKILL)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())


def test_everything_that_can_go_wrong_can_be_played(tmp_path: Path) -> None:
    async def enter(backend: FakeBackend) -> None:
        async with backend.sandbox("run", folders(tmp_path), Limits()) as made:
            await made.client.start(LAUNCH, tmp_path / "log")

    with pytest.raises(LaunchError, match="program: No such file"):
        asyncio.run(enter(FakeBackend({})))
    with pytest.raises(SandboxError, match="no room"):
        asyncio.run(enter(FakeBackend({}, fault="no room")))
    with pytest.raises(SandboxError, match="crumbs"):
        asyncio.run(enter(FakeBackend({"client": succeed}, removal_problem="crumbs")))
    with pytest.raises(UserError, match="not today"):
        FakeBackend({}, refusal=UserError("not today")).check()
    FakeBackend({}).check()
    backend = FakeBackend({}, remains=["a folder"])
    assert backend.leftovers() == backend.clean() == ("a folder",)
    assert backend.leftovers() == ()
