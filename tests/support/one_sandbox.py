"""A sandbox for one test, and short ways to run scripts on its hosts."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.model import Exit, Folders, Launch, Limits
from quicmatrix.runner.sandbox.netns.host import NetnsHost
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend, NetnsSandbox
from quicmatrix.runner.sandbox.netns.process import NetnsProcess

REPOSITORY = Path(__file__).parents[2]
SMALL = Limits(
    memory_bytes=128 << 20,
    processes=64,
    log_bytes=1 << 20,
    logs_bytes=8 << 20,
    downloads_bytes=4 << 20,
    downloads_entries=100,
    temporary_bytes=8 << 20,
)


@dataclass(frozen=True)
class Stage:
    """A sandbox that stands, and the folders around it."""

    backend: NetnsBackend
    sandbox: NetnsSandbox
    folder: Path
    numbers: count[int]

    @property
    def client(self) -> NetnsHost:
        return self.sandbox.client

    @property
    def server(self) -> NetnsHost:
        return self.sandbox.server

    @property
    def sim(self) -> NetnsHost:
        return self.sandbox.sim

    async def start(
        self,
        host: NetnsHost,
        *command: str,
        cwd: Path = REPOSITORY,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[NetnsProcess, Path]:
        log = self.folder / f"log-{next(self.numbers)}"
        variables = {"PATH": os.environ["PATH"]} if environment is None else environment
        return await host.start(Launch(command, cwd, variables), log), log

    async def shell(self, host: NetnsHost, script: str) -> tuple[Exit, str]:
        process, log = await self.start(host, "sh", "-c", script)
        return await process.wait(), log.read_text(errors="replace")

    async def python(self, host: NetnsHost, script: str) -> tuple[Exit, str]:
        process, log = await self.start(host, sys.executable, "-c", script)
        return await process.wait(), log.read_text(errors="replace")


def folders(folder: Path) -> Folders:
    made = Folders(folder / "www", folder / "certs")
    for path in (made.www, made.certs, folder / "scratch"):
        path.mkdir(exist_ok=True)
    (made.www / "index").write_text("served")
    (made.certs / "ca.pem").write_text("trusted")
    return made


@asynccontextmanager
async def one_sandbox(
    folder: Path,
    *,
    run_id: str = "",
    limits: Limits = SMALL,
    stop_grace_s: float = 5.0,
) -> AsyncIterator[Stage]:
    """A sandbox whose scratch folder is in the test's own; nothing of it is left afterwards."""
    theirs = folders(folder)
    backend = NetnsBackend(scratch=folder / "scratch", stop_grace_s=stop_grace_s)
    run_id = run_id or str(folder)  # unlike that of any other test session
    async with backend.sandbox(run_id, theirs, limits) as made:
        yield Stage(backend, made, folder, count())
    assert remains(folder, run_id) == []


def remains(folder: Path, run_id: str) -> list[str]:
    """Whatever there still is of a test's sandboxes."""
    found = [str(path) for path in (folder / "scratch").iterdir()]
    found += [str(path) for path, run, _ in label.labelled_processes() if run == run_id]
    mounts = Path("/proc/self/mountinfo").read_text()
    return found + [line for line in mounts.splitlines() if str(folder) in line]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a program does without telling anyone; no longer than 10 s."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)
