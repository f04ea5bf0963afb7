"""The processes that keep a host's namespaces alive, until the runner closes a pipe or dies.

unshare(1) makes the namespaces and waits outside of the PID namespace. PID 1 inside makes the file
system (:mod:`quicmatrix.runner.sandbox.netns.filesystem`) and then waits for the end of its
standard input. The other end of that pipe is open in the runner only, so whatever ends the runner,
even SIGKILL, ends the host.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from quicmatrix.runner.needs import SEARCH_PATH
from quicmatrix.runner.sandbox.model import SandboxError

BUILD_S = 20.0
END_S = 10.0

T = TypeVar("T")


@dataclass(slots=True)
class Holder:
    """A host's namespaces, and the processes that keep them."""

    process: asyncio.subprocess.Process
    """unshare(1), in a mount namespace that has the machine's root."""
    pipe: int
    """The write end of PID 1's standard input; -1 once it is closed."""
    pid: int = 0
    """PID 1 of the host, in our PID namespace; 0 before it is ready."""
    users: bool = False
    """Whether it has a user namespace of its own."""
    namespaces: dict[str, int] = field(default_factory=dict)
    """Open files of the namespaces. While they are open, no other namespace gets their inode
    numbers, by which the processes in them are found."""

    async def ready(self) -> None:
        """Wait until the host is built.

        Raises:
            SandboxError: The command failed.
        """
        assert self.process.stdout is not None
        said: list[str] = []
        async with asyncio.timeout(BUILD_S):
            async for line in self.process.stdout:
                text = line.decode(errors="replace").strip()
                word, _, pid = text.partition(" ")
                if word == "ready":
                    self.pid = int(pid)
                    for name in ("net", "mnt", "pid"):
                        flags = os.O_RDONLY | os.O_CLOEXEC
                        self.namespaces[name] = os.open(f"/proc/{pid}/ns/{name}", flags)
                    return
                said.append(text)
        raise SandboxError("cannot build a host: " + "; ".join(said or ["no reason given"]))

    @property
    def inside(self) -> tuple[str, ...]:
        """The command that runs another one inside."""
        return (
            *("nsenter", "--target", str(self.pid)),
            *(("--user", "--preserve-credentials") if self.users else ()),
            *("--net", "--mount", "--pid", "--ipc", "--uts", "--"),
        )

    @property
    def root(self) -> Path:
        """The host's root, in our mount namespace."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def inodes(self) -> frozenset[int]:
        """The inode numbers of the namespaces, until :meth:`release`."""
        return frozenset(os.fstat(fd).st_ino for fd in self.namespaces.values())

    def has_processes(self) -> bool:
        """Whether anything but PID 1 runs inside.

        Raises:
            SandboxError: PID 1 is dead.
        """
        try:
            processes = [entry for entry in (self.root / "proc").iterdir() if entry.name.isdigit()]
        except OSError as error:
            raise SandboxError("PID 1 of a host died before its programs") from error
        return any(alive(process) for process in processes if process.name != "1")

    async def end(self) -> None:
        """Kill everything in the namespaces."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        try:
            async with asyncio.timeout(END_S):
                await self.process.wait()
        except TimeoutError:
            kill_spawned(self.process)  # unshare's --kill-child takes PID 1 with it
            await self.process.wait()
            raise SandboxError(
                f"a host did not end within {END_S} s after its pipe was closed"
            ) from None

    def release(self) -> None:
        """Close the namespaces."""
        while self.namespaces:
            os.close(self.namespaces.popitem()[1])


def alive(process: Path) -> bool:
    """Whether any thread of a process is alive, given its folder in /proc."""
    try:
        text = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, *fields = text.rpartition(") ")[2].split()  # the name before may contain anything
    return state not in ("Z", "X") or int(fields[16]) > 1  # proc(5): num_threads


async def hold(
    command: Sequence[str], environment: Mapping[str, str], *, users: bool = False
) -> Holder:
    """Run a command, which prints ``ready PID`` in the end, as PID 1 of new namespaces.

    Not to be cancelled, since the caller has to end the host.

    Args:
        command: Program and arguments.
        environment: What is added to its environment.
        users: Whether it has a user namespace of its own, in which its processes are counted.
    """
    theirs, pipe = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            "unshare",
            *(("--user", "--map-root-user") if users else ()),
            *("--net", "--mount", "--pid", "--ipc", "--uts"),
            *("--fork", "--kill-child=KILL"),
            *command,
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**tool_environment(), **environment},
            cwd="/",
            start_new_session=True,
        )
    except BaseException:
        os.close(pipe)
        raise
    finally:
        os.close(theirs)
    return Holder(process, pipe, users=users)


async def run_tool(*command: str, text: str = "") -> str:
    """Run a program of the machine; returns its output.

    Raises:
        SandboxError: It failed.
    """
    process = await spawn(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        environment=tool_environment(),
    )
    try:
        output, _ = await process.communicate(text.encode())
    except asyncio.CancelledError:
        await finish(end_spawned(process))
        raise
    said = output.decode(errors="replace").strip()
    if process.returncode:
        raise SandboxError(f"{' '.join(command)} failed with {process.returncode}: {said}")
    return said


async def spawn(
    *command: str,
    stdin: int,
    stdout: int,
    stderr: int,
    environment: Mapping[str, str],
    pass_fds: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """Start a process in a session of its own; kill it if we are cancelled meanwhile."""
    made: list[asyncio.subprocess.Process] = []

    async def make() -> None:
        made.append(
            await asyncio.create_subprocess_exec(
                *command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd="/",
                pass_fds=pass_fds,
                start_new_session=True,
            )
        )

    try:
        await finish(make())
    except asyncio.CancelledError:
        await finish(end_spawned(made[0]))
        raise
    return made[0]


def kill_spawned(process: asyncio.subprocess.Process) -> None:
    """Send SIGKILL to the process group of a spawned process.

    Process.kill() polls first, and may take the exit status from asyncio.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def end_spawned(process: asyncio.subprocess.Process) -> None:
    """:func:`kill_spawned`, and wait; without its children, that would wait for their pipes."""
    kill_spawned(process)
    await process.wait()


def tool_environment() -> dict[str, str]:
    """The environment of the machine's tools: a fixed language, and root's programs in reach."""
    return {"PATH": f"{os.environ.get('PATH', '')}:{SEARCH_PATH}".lstrip(":"), "LC_ALL": "C"}


async def finish(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end even if we are cancelled; CancelledError is raised after that."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = not task.cancelled()
        except BaseException:  # noqa: BLE001, S110 - raised by result(), below
            pass
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result
