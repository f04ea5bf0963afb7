"""The interface of a backend: a sandbox of three hosts, and processes on them.

A host has a network, processes, /www, /downloads, /certs and /logs of its own. Leaving the sandbox
kills every process in it and removes everything that was created for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.trace.model import Side

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended."""

    code: int | None
    """The exit code; None if a signal ended it."""
    signal: int | None = None
    """The signal that ended it."""
    log_overflow: bool = False
    """Whether it was killed because it wrote more than its log may hold."""
    out_of_memory: bool = False
    """Whether the kernel killed a process of the host meanwhile for lack of memory."""
    exceeded: tuple[str, ...] = ()
    """Which other limits were reached meanwhile, e.g. ``512 processes`` or ``256 MiB in /tmp``."""
    log_left_out: int = 0
    """How many bytes in the middle of its log are not in the file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one host may use: endpoints are not trusted."""

    memory_bytes: int = 2048 * MIB
    processes: int = 512
    log_bytes: int = 256 * MIB
    """Standard output and error of one process; beyond that it is killed. The file has the first
    and the last 8 MiB."""
    logs_bytes: int = 512 * MIB
    """All of /logs: qlog and key log."""
    downloads_bytes: int = 64 * MIB
    downloads_entries: int = 4096
    """Inodes in /downloads, folders and links included."""
    temporary_bytes: int = 256 * MIB
    """All of /tmp, and all of /dev/shm."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start on a host."""

    command: tuple[str, ...]
    """The program, absolute or found through PATH, and its arguments; never a shell line. Empty for
    an image's own entry point."""
    cwd: Path
    """The working directory; it is visible on the host, read-only, even below the machine's
    /tmp."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """All of the environment; the runner's is not inherited. An image's own is added."""
    image: str = ""
    """The image to start instead of a command, on a side of a backend of that form."""
    core: int | None = None
    """The core that it is bound to; None: any."""


class Process(Protocol):
    """A running program on a host."""

    async def wait(self) -> Exit:
        """Wait until it ends. May be called again, by others, at any time."""

    async def stop(self) -> Exit:
        """SIGTERM, then, if that is not enough, SIGKILL to it and all its descendants."""

    async def kill(self) -> Exit:
        """SIGKILL to it and all its descendants."""


class Host(Protocol):
    """One of the three hosts."""

    async def start(self, launch: Launch, log: Path) -> Process:
        """Start a program, with standard output and error going to the file ``log``.

        Raises:
            LaunchError: There is no such program, or it cannot be executed.
            SandboxError: It cannot be started for another reason.
        """

    def folder(self, path: str) -> Path:
        """The path of a folder of the host, e.g. ``/downloads``, in the runner's mount namespace.

        An untrusted program writes there: never follow links in it.
        """


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders of the machine that are mounted on the sides."""

    www: Path
    """/www of the server, read-only."""
    certs: Path
    """/certs of both sides, read-only."""


class Sandbox(Protocol):
    """Three hosts and two links between them: client - sim - server."""

    @property
    def client(self) -> Host:
        """The client's host."""

    @property
    def server(self) -> Host:
        """The server's host."""

    @property
    def sim(self) -> Host:
        """The middlebox's host. It has the machine's file system, as it runs our programs only."""


class Form(StrEnum):
    """In which form an implementation runs."""

    COMMAND = "command"
    IMAGE = "image"


class Backend(Protocol):
    """A way to make sandboxes."""

    @property
    def form(self) -> Form:
        """What its sides run."""

    @property
    def images(self) -> Mapping[str, Image]:
        """By reference, the images that :meth:`require` has seen."""

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """Why an implementation cannot be started as it is; empty if it can. No side effects."""

    def require(self, implementation: Implementation, role: Side) -> None:
        """Make an implementation ready to start, e.g. pull its image.

        Raises:
            UserError: It cannot; the hint says what to do.
        """

    def check(self) -> Sequence[str]:
        """Check that sandboxes can be made here.

        Returns:
            One line for each thing that is not as endpoints or users may expect it.

        Raises:
            UserError: They cannot; the hint says what to do.
        """

    def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AbstractAsyncContextManager[Sandbox]:
        """A new sandbox, labelled with the run's id, removed when the context is left.

        Raises:
            SandboxError: It cannot be made; the attempt's verdict is ``error``.
        """

    def leftovers(self) -> Sequence[str]:
        """Leftovers of dead runs, one line each, for ``quicmatrix doctor``."""

    def clean(self) -> Sequence[str]:
        """Remove the leftovers of dead runs; one line for each."""


class SandboxError(Exception):
    """A sandbox could not be made or removed: never an endpoint's fault."""


class LaunchError(SandboxError):
    """A program could not be executed: it is missing, or not executable."""
