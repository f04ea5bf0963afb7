from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox import full_folders
from quicmatrix.runner.sandbox.full_folders import FullFolders, all_folders
from quicmatrix.runner.sandbox.model import MIB, Limits
from tests.support.one_sandbox import until


class Disk:
    """Stands for statvfs(2): what is free in each folder, or no such folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: dict[str, tuple[int, int]] = {}
        self.looks = 0
        monkeypatch.setattr(os, "statvfs", self.statvfs)
        monkeypatch.setattr(full_folders, "PERIOD_S", 0.001)

    def statvfs(self, path: Path) -> os.statvfs_result:
        self.looks += 1
        if str(path) not in self.free:
            raise FileNotFoundError(path)
        blocks, entries = self.free[str(path)]
        return os.statvfs_result((4096, 4096, 100, blocks, blocks, 100, entries, entries, 0, 255))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def watched() -> FullFolders:
    return FullFolders(Path, {"/logs": 8 * MIB, "/tmp": 4 * MIB})


def test_bytes_and_entries_are_limits(disk: Disk) -> None:
    folders = watched()
    disk.free = {"/logs": (1, 1), "/tmp": (0, 5)}
    folders.look()
    assert folders.exceeded == ("4 MiB or too many entries in /tmp",)
    disk.free = {"/logs": (7, 0)}
    folders.look()
    assert len(folders.exceeded) == 2, "what was full once is told, though it is gone"


def test_a_folder_that_is_full_for_a_moment_is_seen(disk: Disk) -> None:
    async def story() -> str:
        folders = watched()
        work: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(folders.during(work))
        for free in ((1, 1), (0, 1), (1, 1)):
            disk.free = {"/logs": free, "/tmp": (1, 1)}
            before = disk.looks
            await until(lambda looks=before + 4: disk.looks >= looks)  # type: ignore[misc]
        work.set_result("done")
        assert await task == "done"
        return " ".join(folders.exceeded)

    assert asyncio.run(story()) == "8 MiB or too many entries in /logs"


def test_every_limited_folder_is_looked_at() -> None:
    assert set(all_folders(Limits())) == {"/downloads", "/logs", "/tmp", "/dev/shm"}
