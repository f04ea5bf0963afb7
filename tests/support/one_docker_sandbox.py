"""A sandbox of containers for one test, and short ways to run scripts on its hosts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from quicmatrix.runner.sandbox.docker.backend import DockerBackend, DockerSandbox
from quicmatrix.runner.sandbox.docker.container import RUN_LABEL
from quicmatrix.runner.sandbox.docker.engine import connect
from quicmatrix.runner.sandbox.docker.host import DockerHost
from quicmatrix.runner.sandbox.docker.process import DockerProcess
from quicmatrix.runner.sandbox.model import Exit, Launch, Limits
from tests.support.one_sandbox import SMALL, folders, remains


@dataclass(frozen=True)
class DockerStage:
    """A sandbox that stands, and the folders around it."""

    backend: DockerBackend
    sandbox: DockerSandbox
    folder: Path
    image: str
    """Runs what it is given as a shell script."""
    numbers: count[int]

    @property
    def client(self) -> DockerHost:
        return self.sandbox.client

    @property
    def server(self) -> DockerHost:
        return self.sandbox.server

    async def start(self, host: DockerHost, script: str) -> tuple[DockerProcess, Path]:
        log = self.folder / f"log-{next(self.numbers)}"
        launch = Launch((script,), Path("/"), {"MARK": "a b"}, image=self.image)
        return await host.start(launch, log), log

    async def shell(self, host: DockerHost, script: str) -> tuple[Exit, str]:
        process, log = await self.start(host, script)
        return await process.wait(), log.read_text(errors="replace")


@contextmanager
def docker_backend(folder: Path, **options: Any) -> Iterator[DockerBackend]:
    """A backend with its scratch folder in the test's own, and what every engine may do."""
    (folder / "scratch").mkdir(exist_ok=True)
    with contextlib.closing(connect()) as engine:
        backend = DockerBackend(connect=lambda: engine, scratch=folder / "scratch", **options)
        backend.memlock = None
        yield backend


@asynccontextmanager
async def one_docker_sandbox(
    folder: Path,
    image: str,
    *,
    limits: Limits = SMALL,
    stop_grace_s: float = 5.0,
) -> AsyncIterator[DockerStage]:
    """A sandbox whose scratch folder is in the test's own; nothing of it is left afterwards."""
    theirs = folders(folder)
    run_id = str(folder)  # unlike that of any other test session
    with docker_backend(folder, stop_grace_s=stop_grace_s) as backend:
        async with backend.sandbox(run_id, theirs, limits) as made:
            yield DockerStage(backend, made, folder, image, count())
        assert remains(folder, run_id) == []
        assert backend.engine.labelled(f"{RUN_LABEL}={run_id}") == []
