"""Sandboxes of containers as a whole: they come, live side by side, and go."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.docker.backend import DockerBackend
from quicmatrix.runner.sandbox.docker.container import MEMLOCK, RUN_LABEL, RUNNER_LABEL
from quicmatrix.runner.sandbox.docker.engine import Labelled
from quicmatrix.runner.sandbox.label import Runner
from quicmatrix.runner.sandbox.model import Launch, LaunchError, SandboxError
from quicmatrix.runner.trace.model import Side
from tests.support.derived_image import derived
from tests.support.one_docker_sandbox import docker_backend, one_docker_sandbox
from tests.support.one_sandbox import REPOSITORY, SMALL, folders

pytestmark = [pytest.mark.docker, pytest.mark.netns]


def test_sandboxes_with_the_same_addresses_live_side_by_side(
    tmp_path: Path, shell_image: str
) -> None:
    async def attempt(name: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        async with one_docker_sandbox(folder, shell_image) as stage:
            (stage.client.folder("/downloads") / "mine").write_text(name)
            await together.wait()
            _, said = await stage.shell(stage.client, "cat /downloads/*; hostname -I; ls /proc")
            await together.wait()
            return said

    async def story() -> tuple[str, str]:
        return await asyncio.gather(attempt("a"), attempt("b"))

    together = asyncio.Barrier(2)
    for name, said in zip("ab", asyncio.run(story()), strict=True):
        assert said.startswith(f"{name}193.167.0.100 ")


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_nothing_stays_open(tmp_path: Path, shell_image: str) -> None:
    async def story() -> list[str]:
        before = descriptors()
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            await stage.shell(stage.client, "true")
            await stage.start(stage.server, "sleep 1000")
        return sorted(descriptors() - before)

    assert asyncio.run(story()) == []


def test_a_sandbox_that_is_given_up_while_it_is_made_leaves_nothing(
    tmp_path: Path, shell_image: str
) -> None:
    async def story(backend: DockerBackend, after_s: float) -> None:
        task = asyncio.ensure_future(enter(backend))
        await asyncio.wait({task}, timeout=after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def enter(backend: DockerBackend) -> None:
        async with backend.sandbox("given-up", theirs, SMALL):
            await asyncio.Event().wait()

    theirs = folders(tmp_path)
    with docker_backend(tmp_path) as backend:
        for after_s in (0.02, 0.1, 0.3):
            asyncio.run(story(backend, after_s))
            assert backend.engine.labelled(f"{RUN_LABEL}=given-up") == []
            assert list((tmp_path / "scratch").iterdir()) == []


def test_what_the_engine_keeps_is_an_error(
    tmp_path: Path, shell_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            monkeypatch.setattr(stage.backend.engine, "remove", lambda _: None)

    try:
        with pytest.raises(SandboxError, match=" left: "):
            asyncio.run(story())
    finally:
        with docker_backend(tmp_path) as backend:
            for thing in backend.engine.labelled(f"{RUN_LABEL}={tmp_path}"):
                backend.engine.remove(thing)


KILLED = """
import asyncio, sys
from pathlib import Path
from quicmatrix.runner.sandbox.docker.backend import DockerBackend
from quicmatrix.runner.sandbox.model import Folders, Launch, Limits

async def story(folder, image):
    backend = DockerBackend(scratch=folder / "scratch")
    backend.check()
    folders = Folders(folder / "www", folder / "certs")
    async with backend.sandbox(str(folder), folders, Limits()) as sandbox:
        script = "touch /downloads/here; sleep 1000"
        launch = Launch((script,), Path("/"), image=image)
        await sandbox.client.start(launch, folder / "log")
        while not (sandbox.client.folder("/downloads") / "here").exists():
            await asyncio.sleep(0.01)
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(story(Path(sys.argv[1]), sys.argv[2]))
"""


def test_after_kill_9_everything_ends_by_itself_and_clean_removes_it(
    tmp_path: Path, shell_image: str, docker_engine: Any
) -> None:
    def left(lines: Sequence[str]) -> list[str]:
        return [line for line in lines if line.endswith(f" of run {tmp_path}")]

    folders(tmp_path)
    with (
        docker_backend(tmp_path) as backend,
        subprocess.Popen(
            [sys.executable, "-P", "-c", KILLED, str(tmp_path), shell_image],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        ) as runner,
        ExitStack() as stack,
    ):
        stack.callback(runner.kill)
        assert runner.stdout is not None
        assert select.select([runner.stdout], [], [], 60)[0]
        assert runner.stdout.readline() == b"up\n"
        mine = f"{RUN_LABEL}={tmp_path}"
        before = backend.engine.labelled(mine)
        assert [thing.kind for thing in before] == ["container"] * 3 + ["volume"] * 4
        assert not left(backend.leftovers())  # it lives
        assert not left(backend.clean())
        assert backend.engine.labelled(mine) == before
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        for container in docker_engine.containers.list(filters={"label": mine}):
            container.wait(timeout=30)
        said = left(backend.leftovers())
        assert sum(line.startswith("container quicmatrix-") for line in said) == 3
        assert left(backend.clean()) == said
        assert backend.engine.labelled(mine) == []
        assert list((tmp_path / "scratch").iterdir()) == []


def test_endpoints_are_started_from_what_the_name_meant_when_the_run_began(
    tmp_path: Path, docker_engine: Any, images: Mapping[str, str]
) -> None:
    one, other = ('ENTRYPOINT ["echo", "%s"]' % word for word in ("one", "other"))  # noqa: UP031
    with (
        derived(docker_engine, images["base"], one, "CMD []") as first,
        derived(docker_engine, images["base"], other, "CMD []") as second,
        docker_backend(tmp_path) as backend,
    ):
        tag = f"quicmatrix-moves:{os.getpid()}"
        docker_engine.images.get(first).tag(tag)
        try:
            backend.require(Implementation("moves", tag), Side.CLIENT)
            docker_engine.images.get(second).tag(tag)

            async def story() -> None:
                async with backend.sandbox("moves", folders(tmp_path), SMALL) as sandbox:
                    launch = Launch((), Path("/"), image=tag)
                    await (await sandbox.client.start(launch, tmp_path / "log")).wait()

            asyncio.run(story())
        finally:
            docker_engine.images.remove(tag)
    assert (tmp_path / "log").read_text() == "one\n"


def test_a_program_that_is_not_in_its_image_never_ran(
    tmp_path: Path, docker_engine: Any, images: Mapping[str, str]
) -> None:
    async def story(image: str) -> None:
        async with one_docker_sandbox(tmp_path, image) as stage:
            with pytest.raises(LaunchError, match="/nowhere"):
                await stage.shell(stage.client, "x")

    with derived(docker_engine, images["base"], 'ENTRYPOINT ["/nowhere"]') as image:
        asyncio.run(story(image))


def test_without_the_hosts_image_nothing_begins(tmp_path: Path, docker_engine: Any) -> None:
    with (
        pytest.raises(UserError, match="there is no image quicmatrix/none") as caught,
        docker_backend(tmp_path, holder_image="quicmatrix/none") as backend,
    ):
        backend.check()
    assert "scripts/images" in caught.value.hint


def test_the_trial_leaves_nothing(tmp_path: Path, images: Mapping[str, str]) -> None:
    with docker_backend(tmp_path, holder_image=images["network"]) as backend:
        backend.memlock = 1
        remarks = backend.check()
        assert (backend.memlock, len(remarks)) in ((MEMLOCK, 0), (None, 1))
        assert list((tmp_path / "scratch").iterdir()) == []
        mine = Runner.this().text
        assert backend.engine.labelled(f"{RUNNER_LABEL}={mine}") == []


def test_only_what_dead_runs_have_left_is_anyones_to_remove(tmp_path: Path) -> None:
    """Labels that say nothing we understand are none of ours."""

    class Engine:
        def labelled(self, *_: str) -> list[Labelled]:
            return [Labelled("container", "1", "odd", {"quicmatrix.runner": "what?"})]

    engine: Any = Engine()
    assert DockerBackend(connect=lambda: engine, scratch=tmp_path).leftovers() == []
