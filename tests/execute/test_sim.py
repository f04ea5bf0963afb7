from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.execute.sim import CAPTURE_LIMIT, capturing
from quicmatrix.runner.network.control import MiddleboxError
from quicmatrix.runner.sandbox.fake import FakeBackend, Program, Running
from quicmatrix.runner.sandbox.model import Exit, Folders, Limits
from tests.support.fake_sim import sim


def follow(tmp_path: Path, program: Program) -> tuple[str, ...]:
    """The command of a middlebox that was followed to its end."""

    async def story() -> tuple[str, ...]:
        folders = Folders(tmp_path / "www", tmp_path / "certs")
        async with (
            FakeBackend({"sim": program}).sandbox("run", folders, Limits()) as sandbox,
            capturing(
                sandbox.sim,
                scenario="simple-p2p",
                seed=7,
                folder=tmp_path,
                scratch=tmp_path,
                cwd=tmp_path,
                core=3,
            ) as channel,
        ):
            assert (await channel.finish()).dropped == 1
            (launch,) = sandbox.sim.launches
            assert launch.core == 3
            return launch.command

    return asyncio.run(story())


def test_it_captures_before_anything_else_happens(tmp_path: Path) -> None:
    command = follow(tmp_path, sim())
    assert {"--scenario=simple-p2p", "--seed=7", f"--capture-limit={CAPTURE_LIMIT}"} <= set(command)
    assert "--probe-server" not in command
    assert (tmp_path / OUTPUT_LOG).exists()
    assert not (tmp_path / "control").exists()


def test_one_that_dies_first_is_an_error(tmp_path: Path) -> None:
    async def die(running: Running) -> Exit:
        options = dict(word.split("=", 1) for word in running.launch.command if "=" in word)
        _, writer = await asyncio.open_unix_connection(options["--control"])
        writer.close()
        return Exit(1)

    with pytest.raises(MiddleboxError, match="ended before it captures"):
        follow(tmp_path, die)
