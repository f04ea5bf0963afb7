"""What a backend offers: a sandbox of three hosts, and processes on them.

A host is a machine of its own to whatever runs on it: network, processes, /www, /downloads, /certs
and /logs are private to it. Leaving the sandbox ends every process in it and removes every trace.
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
    """Whether the kernel killed a process of the host meanwhile because its memory was used up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one host may use before it is stopped: endpoints are not trusted."""

    memory_bytes: int = 2048 * MIB
    processes: int = 512
    log_bytes: int = 16 * MIB
    """Standard output and error of one process."""
    logs_bytes: int = 512 * MIB
    """All of /logs: qlog and key log."""
    downloads_bytes: int = 64 * MIB
    downloads_entries: int = 4096
    """Inodes in /downloads, folders and links included."""
    temporary_bytes: int = 256 * MIB
    """All of /tmp."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run on a host."""

    command: tuple[str, ...]
    """The program, absolute or found through PATH, and its arguments; never a shell line. Empty if
    there is an image: what that starts is its own affair."""
    cwd: Path
    """The working directory; it is visible on the host, read-only, even where /tmp is private."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """All of the environment; nothing of the runner's is inherited. An image's own is added."""
    image: str = ""
    """The image to start instead of a command, on a side of a backend that can."""
    core: int | None = None
    """The only core that it may run on; None: any."""


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
            SandboxError: The machine refused.
        """

    def folder(self, path: str) -> Path:
        """Where the runner finds a folder of the host, e.g. ``/downloads``.

        What lies there was written by an untrusted program: never follow links in it.
        """


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders of the runner that the sides see as their own."""

    www: Path
    """/www of the server, read-only."""
    certs: Path
    """/certs of both sides, read-only."""


class Sandbox(Protocol):
    """Three hosts, joined by two wires: client - sim - server."""

    @property
    def client(self) -> Host:
        """The client's host."""

    @property
    def server(self) -> Host:
        """The server's host."""

    @property
    def sim(self) -> Host:
        """The middlebox's host. Not a contained one: it sees the runner's file system."""


class Form(StrEnum):
    """In which form an implementation runs."""

    COMMAND = "command"
    IMAGE = "image"


class Backend(Protocol):
    """A way to make sandboxes."""

    @property
    def form(self) -> Form:
        """What its sides start."""

    @property
    def images(self) -> Mapping[str, Image]:
        """By reference, the images that :meth:`require` has seen."""

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """Why an implementation cannot be started as it is; empty if it can. Changes nothing."""

    def require(self, implementation: Implementation, role: Side) -> None:
        """See to it that an implementation can be started; that may take its time.

        Raises:
            UserError: It cannot; the hint says what to do.
        """

    def check(self) -> Sequence[str]:
        """Find out, quickly, whether sandboxes can be made here.

        Returns:
            What is not as endpoints may expect it, one line each: nothing, as a rule.

        Raises:
            UserError: They cannot; the hint says what to do.
        """

    def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AbstractAsyncContextManager[Sandbox]:
        """A new sandbox, labelled with the run's id, gone when the context is left.

        Raises:
            SandboxError: The machine refused; the attempt's verdict is ``error``.
        """

    def leftovers(self) -> Sequence[str]:
        """What dead runs left behind, one line each, for ``quicmatrix doctor``."""

    def clean(self) -> Sequence[str]:
        """Remove it, found by its label; one line for each thing removed."""


class SandboxError(Exception):
    """A sandbox could not be made or removed: the machine's fault or ours, never a peer's."""


class LaunchError(SandboxError):
    """A program could not be executed: it is missing, or no program. It never ran at all."""
