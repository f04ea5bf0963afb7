from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.recording_backend import RecordingBackend
from quicmatrix.runner.sandbox.fake import FakeBackend, Running, until_terminated
from quicmatrix.runner.sandbox.model import Exit, Folders, Launch, LaunchError, Limits
from quicmatrix.runner.trace.model import Side

LAUNCH = Launch(("program",), Path("/"), {"KEPT": "1", "CHANGED": "2", "REMOVED": "3"})


def folders(tmp_path: Path) -> Folders:
    for name in ("www", "certs", "sim"):
        (tmp_path / name).mkdir()
    (tmp_path / "www" / "file").write_bytes(b"hello")
    return Folders(tmp_path / "www", tmp_path / "certs")


def start_and_stop(tmp_path: Path, backend: RecordingBackend) -> None:
    async def scenario() -> None:
        async with backend.sandbox("run", folders(tmp_path), Limits()) as sandbox:
            process = await sandbox.server.start(LAUNCH, tmp_path / "log")
            await process.stop()

    asyncio.run(scenario())


def test_a_change_of_the_environment_reaches_that_side_alone(tmp_path: Path) -> None:
    fake = FakeBackend({"server": until_terminated, "client": until_terminated})
    backend = RecordingBackend(fake, {Side.SERVER: {"CHANGED": "4", "REMOVED": None}})

    async def scenario() -> None:
        async with backend.sandbox("run", folders(tmp_path), Limits()) as sandbox:
            await sandbox.server.start(LAUNCH, tmp_path / "server.log")
            await sandbox.client.start(LAUNCH, tmp_path / "client.log")

    asyncio.run(scenario())
    (sandbox,) = fake.sandboxes
    assert sandbox.server.launches[0].environment == {"KEPT": "1", "CHANGED": "4"}
    assert sandbox.client.launches == [LAUNCH]


def test_the_time_from_sigterm_to_the_end_is_recorded(tmp_path: Path) -> None:
    async def slow(running: Running) -> Exit:
        await running.terminated.wait()
        await asyncio.sleep(0.05)
        return Exit(4)

    backend = RecordingBackend(FakeBackend({"server": slow}))
    start_and_stop(tmp_path, backend)
    process = backend.processes[Side.SERVER]
    assert process.exit == Exit(4)
    assert process.stop_duration_s is not None
    assert 0.05 <= process.stop_duration_s <= process.duration_s
    assert backend.processes[Side.CLIENT].exit is None


def test_a_process_that_ended_by_itself_has_no_stop_duration(tmp_path: Path) -> None:
    async def end(_: Running) -> Exit:
        return Exit(5)

    backend = RecordingBackend(FakeBackend({"server": end}))

    async def scenario() -> None:
        async with backend.sandbox("run", folders(tmp_path), Limits()) as sandbox:
            process = await sandbox.server.start(LAUNCH, tmp_path / "log")
            await process.wait()
            await process.stop()

    asyncio.run(scenario())
    assert backend.processes[Side.SERVER].exit == Exit(5)
    assert backend.processes[Side.SERVER].stop_duration_s is None


def test_a_launch_error_is_recorded(tmp_path: Path) -> None:
    backend = RecordingBackend(FakeBackend({}))
    with pytest.raises(LaunchError):
        start_and_stop(tmp_path, backend)
    assert "No such file" in backend.processes[Side.SERVER].launch_error
    assert backend.processes[Side.CLIENT].launch_error == ""


def test_modified_files_of_www_and_certs_are_recorded(tmp_path: Path) -> None:
    async def modify(running: Running) -> Exit:
        running.host.folder("/www").joinpath("file").write_bytes(b"HELLO")
        running.host.folder("/certs").joinpath("new").write_bytes(b"")
        return Exit(0)

    backend = RecordingBackend(FakeBackend({"server": modify}))
    start_and_stop(tmp_path, backend)
    assert backend.modified_files == ("/certs/new", "/www/file")


def test_unmodified_files_are_not_recorded(tmp_path: Path) -> None:
    backend = RecordingBackend(FakeBackend({"server": until_terminated}))
    start_and_stop(tmp_path, backend)
    assert backend.modified_files == ()
