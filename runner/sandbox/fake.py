"""A backend for tests: programs are Python functions that work in temporary folders.

To an executor it behaves as the real ones do: folders that are removed afterwards, SIGTERM before
SIGKILL, an exit for each program.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.plan.implementations import missing_program
from quicmatrix.runner.sandbox.model import (
    Exit,
    Folders,
    Form,
    Launch,
    LaunchError,
    Limits,
    SandboxError,
)
from quicmatrix.runner.trace.model import Side

HOSTS = ("client", "server", "sim")


@dataclass(frozen=True, slots=True)
class Running:
    """The arguments of a fake program."""

    host: FakeHost
    launch: Launch
    log: Path
    """Its standard output and error, empty at first."""
    terminated: asyncio.Event
    """Set by SIGTERM. A program that does not return soon after is cancelled, as by SIGKILL."""


Program = Callable[[Running], Awaitable[Exit]]


async def until_terminated(running: Running) -> Exit:
    """A server that runs until SIGTERM, and exits with 0."""
    await running.terminated.wait()
    return Exit(0)


async def succeed(_: Running) -> Exit:
    """A program that exits with 0 at once."""
    return Exit(0)


class FakeProcess:
    """A task in place of a process; see :class:`quicmatrix.runner.sandbox.model.Process`."""

    def __init__(self, program: Program, running: Running, grace_s: float) -> None:
        self._terminated = running.terminated
        self._grace_s = grace_s
        self._task = asyncio.ensure_future(program(running))  # awaited when the sandbox is left

    async def wait(self) -> Exit:
        """Wait until it ends."""
        await asyncio.wait({self._task})
        return Exit(None, signal.SIGKILL) if self._task.cancelled() else self._task.result()

    async def stop(self) -> Exit:
        """Set :attr:`Running.terminated`; after the grace, :meth:`kill`."""
        self._terminated.set()
        await asyncio.wait({self._task}, timeout=self._grace_s)
        return await self.kill()

    async def kill(self) -> Exit:
        """Cancel the task."""
        self._task.cancel()
        return await self.wait()


@dataclass(slots=True)
class FakeHost:
    """A folder that plays a host; see :class:`quicmatrix.runner.sandbox.model.Host`."""

    name: str
    root: Path
    mounts: Mapping[str, Path]
    """Folders of the host that lie elsewhere, e.g. ``/www``."""
    program: Program | None
    grace_s: float
    launches: list[Launch] = field(default_factory=list)
    """All that was started, in order."""
    processes: list[FakeProcess] = field(default_factory=list)

    async def start(self, launch: Launch, log: Path) -> FakeProcess:
        """Start the host's program, whatever the command is; LaunchError if it has none."""
        self.launches.append(launch)
        if self.program is None:
            raise LaunchError(f"{launch.command[0]}: No such file or directory")
        log.write_bytes(b"")  # noqa: ASYNC240 - a fake
        running = Running(self, launch, log, asyncio.Event())
        process = FakeProcess(self.program, running, self.grace_s)
        self.processes.append(process)
        return process

    def folder(self, path: str) -> Path:
        """A folder that exists while the sandbox does."""
        return self.mounts.get(path.rstrip("/")) or self.root / path.lstrip("/")


@dataclass(frozen=True, slots=True)
class FakeSandbox:
    """Three fake hosts; see :class:`quicmatrix.runner.sandbox.model.Sandbox`."""

    client: FakeHost
    server: FakeHost
    sim: FakeHost


@dataclass(slots=True)
class FakeBackend:
    """A backend that needs no privileges; see :class:`quicmatrix.runner.sandbox.model.Backend`."""

    programs: Mapping[str, Program]
    """By the host's name; a host without one starts nothing."""
    refusal: UserError | None = None
    """What :meth:`check` raises."""
    remarks: list[str] = field(default_factory=list)
    """What it returns."""
    fault: str = ""
    """The message with which making a sandbox fails, if any."""
    removal_problem: str = ""
    """The message with which removing a sandbox fails, if any."""
    stop_grace_s: float = 0.2
    remains: list[str] = field(default_factory=list)
    """Leftovers of dead runs."""
    sandboxes: list[FakeSandbox] = field(default_factory=list)
    """All that were made, in order; their folders are removed when they are left."""

    form: Form = Form.COMMAND
    images: dict[str, Image] = field(default_factory=dict)
    """By reference, the local ones, if programs stand for images."""

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """As the real backends do."""
        if self.form is Form.COMMAND:
            return missing_program(implementation, role)
        there = implementation.image in self.images
        return "" if there else f"{implementation.name}: no image"

    def require(self, implementation: Implementation, role: Side) -> None:
        """As the real backends do."""
        if problem := self.obstacle(implementation, role):
            raise UserError(problem, "no hint")

    def check(self) -> Sequence[str]:
        """Raise or return what the test has set."""
        if self.refusal is not None:
            raise self.refusal
        return tuple(self.remarks)

    @asynccontextmanager
    async def sandbox(
        self,
        run_id: str,
        folders: Folders,
        limits: Limits,  # noqa: ARG002 - nothing here needs a limit
    ) -> AsyncIterator[FakeSandbox]:
        """Three hosts with empty folders."""
        if self.fault:
            raise SandboxError(self.fault)
        with tempfile.TemporaryDirectory(prefix=f"quicmatrix-fake-{run_id}-") as scratch:
            sandbox = FakeSandbox(*(self._host(name, Path(scratch), folders) for name in HOSTS))
            self.sandboxes.append(sandbox)
            try:
                yield sandbox
            finally:
                for host in (sandbox.client, sandbox.server, sandbox.sim):
                    for process in host.processes:
                        await process.kill()
        if self.removal_problem:
            raise SandboxError(self.removal_problem)

    def leftovers(self) -> Sequence[str]:
        """What the test has set."""
        return tuple(self.remains)

    def clean(self) -> Sequence[str]:
        """Remove what the test has set."""
        removed = tuple(self.remains)
        self.remains.clear()
        return removed

    def _host(self, name: str, scratch: Path, folders: Folders) -> FakeHost:
        root = scratch / name
        for path in ("www", "downloads", "certs", "logs/qlog", "tmp"):
            (root / path).mkdir(parents=True)
        mounts = {
            "client": {"/certs": folders.certs},
            "server": {"/certs": folders.certs, "/www": folders.www},
        }
        return FakeHost(
            name, root, mounts.get(name, {}), self.programs.get(name), self.stop_grace_s
        )
