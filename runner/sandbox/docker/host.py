"""One side as containers: creates and removes the holder and the endpoints that join it.

:mod:`quicmatrix.runner.sandbox.docker.container` has their configurations. Only this process is
connected to the holder's standard input, so whatever ends the runner, even SIGKILL, ends the
holder, and with it everything that runs on the side.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from quicmatrix.runner.sandbox.docker.container import SANDBOX_LABEL, Side, endpoint, holder
from quicmatrix.runner.sandbox.docker.engine import Engine, EngineError
from quicmatrix.runner.sandbox.docker.process import DockerProcess
from quicmatrix.runner.sandbox.docker.stream import Demultiplexer
from quicmatrix.runner.sandbox.full_folders import FullFolders, volumes
from quicmatrix.runner.sandbox.log import BoundedLog
from quicmatrix.runner.sandbox.model import Launch, LaunchError, SandboxError
from quicmatrix.runner.sandbox.netns.holder import finish
from quicmatrix.runner.sandbox.topology import NAMESPACES

CANNOT_BE_EXECUTED = 400
"""The engine's HTTP status for a program that is missing or cannot be executed."""


@dataclass(slots=True)
class DockerHost:
    """A side; see :class:`~quicmatrix.runner.sandbox.model.Host`, made by its sandbox."""

    side: Side
    engine: Engine
    image: str
    """The holder's image."""
    ids: Mapping[str, str]
    """By reference, the ids of the images that endpoints are started from."""
    memlock: int | None
    grace_s: float
    pid: int = 0
    """The holder's process in our PID namespace; 0 before it is ready."""
    _container: str = ""
    _stdin: socket.socket | None = None
    _building: asyncio.Future[None] | None = None
    _programs: list[DockerProcess] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while an endpoint starts."""
    _ended: bool = False
    _namespaces: list[int] = field(default_factory=list)
    """Open files, so that no other namespaces get their inode numbers."""

    # --- The Host protocol ------------------------------------------------------------------------

    async def start(self, launch: Launch, log: Path) -> DockerProcess:
        """Start an image; its standard output and error go to the file ``log``."""
        if not launch.image:
            raise LaunchError(f"{' '.join(launch.command)}: only images can be started here")
        return await finish(self._start(launch, log))

    def folder(self, path: str) -> Path:
        """The path of a folder of the side in our mount namespace, while the sandbox lasts.

        It leads through the holder's root, to which the endpoint has no access.
        """
        return Path(f"/proc/{self.pid}/root", path.lstrip("/"))

    # --- For its sandbox --------------------------------------------------------------------------

    async def build(self) -> None:
        """Start to create it."""
        self._building = asyncio.ensure_future(self._build())

    async def ready(self) -> None:
        """Wait until it is created."""
        assert self._building is not None
        await asyncio.shield(self._building)

    async def end(self) -> None:
        """Kill everything that runs on it, and remove its containers."""
        if self._building is None:
            return
        with suppress(SandboxError, OSError):  # raised by ready()
            await self._building
        async with self._lock:  # what is being started can be ended only after that
            self._ended = True
        ends = await asyncio.gather(
            *(program.kill() for program in self._programs), return_exceptions=True
        )
        if self._stdin is not None:
            with suppress(OSError):
                self._stdin.shutdown(socket.SHUT_RDWR)
            self._stdin.close()
        await asyncio.to_thread(self._remove)
        for problem in ends:
            if isinstance(problem, BaseException):
                raise problem

    def inodes(self) -> frozenset[int]:
        """The inode numbers of its namespaces, by which a process that is left is found."""
        return frozenset(os.fstat(file).st_ino for file in self._namespaces)

    def release(self) -> None:
        """Close its namespaces."""
        while self._namespaces:
            os.close(self._namespaces.pop())

    async def _start(self, launch: Launch, log: Path) -> DockerProcess:
        image = self.ids.get(launch.image, launch.image)
        wanted = endpoint(self.side, launch, image, self._container, self.memlock)

        async with self._lock:
            if self._ended:
                raise SandboxError(f"the {self.side.name}'s host is not there any more")
            name = f"{self.side.sandbox}-{self.side.name}-{next(self._numbers)}"
            container = await asyncio.to_thread(self.engine.create, wanted, name)
            stream = await asyncio.to_thread(self.engine.attach, container, "stdout", "stderr")
            limit = self.side.limits.log_bytes
            output = BoundedLog(log, limit, source=stream, decode=Demultiplexer().feed)
            try:
                await asyncio.to_thread(self.engine.start, container)
            except EngineError as error:
                output.close()
                if error.status == CANNOT_BE_EXECUTED:
                    raise LaunchError(f"{launch.image}: {error}") from error
                raise
            full = FullFolders(self.folder, volumes(self.side.limits))
            program = DockerProcess(self.engine, container, output, full, self.grace_s)
            self._programs.append(program)
            return program

    async def _build(self) -> None:
        name = f"{self.side.sandbox}-{self.side.name}"
        self._container = await asyncio.to_thread(
            self.engine.create, holder(self.side, self.image), name
        )
        pipe = await asyncio.to_thread(self.engine.attach, self._container, "stdin")
        self._stdin = socket.socket(fileno=pipe)
        await asyncio.to_thread(self.engine.start, self._container)
        self.pid = await asyncio.to_thread(self.engine.pid, self._container)
        for kind in NAMESPACES:
            self._namespaces.append(os.open(f"/proc/{self.pid}/ns/{kind}", os.O_RDONLY))
        # Some endpoints expect it; the base image's /setup.sh makes it where it is missing.
        qlog = self.folder("/logs/qlog")
        qlog.mkdir()
        qlog.chmod(0o777)

    def _remove(self) -> None:
        """Remove all containers of this side, also those of a cancelled call."""
        mine = f"{self.side.sandbox}-{self.side.name}"
        things = self.engine.labelled(f"{SANDBOX_LABEL}={self.side.sandbox}")
        containers = [one for one in things if one.name == mine or one.name.startswith(f"{mine}-")]
        for container in sorted(containers, key=lambda one: one.name, reverse=True):
            self.engine.remove(container)
