from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.recording_backend import Witness
from quicmatrix.runner.sandbox.fake import FakeBackend, Running, until_terminated
from quicmatrix.runner.sandbox.model import Exit, Folders, Launch, LaunchError, Limits
from quicmatrix.runner.trace.model import Side

LAUNCH = Launch(("program",), Path("/"), {"KEPT": "1", "CHANGED": "2", "REMOVED": "3"})


def folders(tmp_path: Path) -> Folders:
    for name in ("www", "certs", "sim"):
        (tmp_path / name).mkdir()
    (tmp_path / "www" / "file").write_bytes(b"hello")
    return Folders(tmp_path / "www", tmp_path / "certs")


def watch(tmp_path: Path, witness: Witness) -> None:
    async def story() -> None:
        async with witness.sandbox("run", folders(tmp_path), Limits()) as sandbox:
            process = await sandbox.server.start(LAUNCH, tmp_path / "log")
            await process.stop()

    asyncio.run(story())


def test_a_change_of_the_environment_reaches_that_side_alone(tmp_path: Path) -> None:
    backend = FakeBackend({"server": until_terminated, "client": until_terminated})
    witness = Witness(backend, {Side.SERVER: {"CHANGED": "4", "REMOVED": None}})

    async def story() -> None:
        async with witness.sandbox("run", folders(tmp_path), Limits()) as sandbox:
            await sandbox.server.start(LAUNCH, tmp_path / "server.log")
            await sandbox.client.start(LAUNCH, tmp_path / "client.log")

    asyncio.run(story())
    (sandbox,) = backend.sandboxes
    assert sandbox.server.launches[0].environment == {"KEPT": "1", "CHANGED": "4"}
    assert sandbox.client.launches == [LAUNCH]


def test_the_time_from_sigterm_to_the_end_is_taken(tmp_path: Path) -> None:
    async def slow(running: Running) -> Exit:
        await running.terminated.wait()
        await asyncio.sleep(0.05)
        return Exit(4)

    witness = Witness(FakeBackend({"server": slow}))
    watch(tmp_path, witness)
    testimony = witness.testimonies[Side.SERVER]
    assert testimony.exit == Exit(4)
    assert testimony.stopping_s is not None
    assert 0.05 <= testimony.stopping_s <= testimony.ran_s
    assert witness.testimonies[Side.CLIENT].exit is None


def test_who_ended_before_it_was_stopped_took_no_time(tmp_path: Path) -> None:
    async def end(_: Running) -> Exit:
        return Exit(5)

    witness = Witness(FakeBackend({"server": end}))

    async def story() -> None:
        async with witness.sandbox("run", folders(tmp_path), Limits()) as sandbox:
            process = await sandbox.server.start(LAUNCH, tmp_path / "log")
            await process.wait()
            await process.stop()

    asyncio.run(story())
    assert witness.testimonies[Side.SERVER].exit == Exit(5)
    assert witness.testimonies[Side.SERVER].stopping_s is None


def test_what_cannot_be_started_is_noted(tmp_path: Path) -> None:
    witness = Witness(FakeBackend({}))
    with pytest.raises(LaunchError):
        watch(tmp_path, witness)
    assert "No such file" in witness.testimonies[Side.SERVER].unlaunchable
    assert witness.testimonies[Side.CLIENT].unlaunchable == ""


def test_whatever_changes_in_www_and_certs_is_seen(tmp_path: Path) -> None:
    async def vandal(running: Running) -> Exit:
        running.host.folder("/www").joinpath("file").write_bytes(b"HELLO")
        running.host.folder("/certs").joinpath("new").write_bytes(b"")
        return Exit(0)

    witness = Witness(FakeBackend({"server": vandal}))
    watch(tmp_path, witness)
    assert witness.altered == ("/certs/new", "/www/file")


def test_where_nothing_changes_nothing_is_seen(tmp_path: Path) -> None:
    witness = Witness(FakeBackend({"server": until_terminated}))
    watch(tmp_path, witness)
    assert witness.altered == ()
