"""A program on a host: start, signals, exit.

nsenter(1) enters the host's namespaces and forks; setpriv(1) drops the capabilities that could undo
the isolation; :mod:`quicmatrix.runner.sandbox.netns.launch` executes the program. nsenter is its
parent, outside, and ends as it does: with the same exit code, or by the same signal. Failures
before that are reported on the launch socket, so no exit status of a tool is taken for the
program's.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quicmatrix.runner.sandbox.full_folders import FullFolders, all_folders
from quicmatrix.runner.sandbox.log import BoundedLog
from quicmatrix.runner.sandbox.model import Exit, Launch, LaunchError, Limits, SandboxError
from quicmatrix.runner.sandbox.netns import launch as launch_script
from quicmatrix.runner.sandbox.netns.cgroup import Group
from quicmatrix.runner.sandbox.netns.holder import (
    Holder,
    end_spawned,
    finish,
    run_tool,
    spawn,
    tool_environment,
)

CAPABILITIES = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *("net_bind_service", "net_raw", "net_admin", "sys_chroot", "setfcap"),
)
"""Docker's default set without MKNOD and AUDIT_WRITE; with NET_ADMIN, which the contract gives."""
START_S = 20.0
KILL_ALL_S = 10.0
KILL_ALL_STEP_S = 0.002
CREDENTIALS = struct.Struct("3i")
"""struct ucred: process, user and group id, as the receiver counts."""


class ProcessHost(Protocol):
    """The host of a process."""

    group: Group
    limits: Limits

    @property
    def holder(self) -> Holder:
        """The processes that keep its namespaces."""

    @property
    def isolated(self) -> bool:
        """Whether it is one of the sides, with a file system of its own."""

    def folder(self, path: str) -> Path:
        """The path of a folder of the host in our mount namespace."""

    async def kill_orphans(self, ended: NetnsProcess) -> None:
        """Kill the processes that a program left behind, if no other program runs on the host."""


@dataclass(frozen=True, slots=True)
class Started:
    """A program that was executed."""

    nsenter: asyncio.subprocess.Process
    pidfd: int
    """Of the program itself."""


class NetnsProcess:
    """A program on a host; see :class:`quicmatrix.runner.sandbox.model.Process`.

    Processes that it leaves behind are killed when no program runs on the host any more.
    """

    def __init__(
        self, host: ProcessHost, log: BoundedLog, started: Started, grace_s: float
    ) -> None:
        self._host = host
        self._log = log
        self._nsenter = started.nsenter
        self._pidfd = started.pidfd
        self._grace_s = grace_s
        self._oom_kills = host.group.oom_kills()
        self._refused_forks = host.group.refused_forks()
        self._folders = FullFolders(host.folder, all_folders(host.limits))
        log.when_full(self.kill_now)
        self._end = asyncio.ensure_future(self._supervise())  # awaited when the host ends

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._end.done()

    async def wait(self) -> Exit:
        """Wait until it ends and its orphans are killed."""
        return await asyncio.shield(self._end)

    async def stop(self) -> Exit:
        """SIGTERM to the program; after the grace period, :meth:`kill`."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._end}, timeout=self._grace_s)
        return await self.kill()

    async def kill(self) -> Exit:
        """SIGKILL to the program, then to its orphans."""
        while self.running:
            self.kill_now()
            await asyncio.wait({self._end}, timeout=0.1)
        return await self.wait()

    def kill_now(self) -> None:
        """SIGKILL to the program, without waiting."""
        self._signal(signal.SIGKILL)
        # nsenter stops itself when the program stops, and would then not see it die.
        # Process.send_signal() polls first, and may take the exit status from asyncio.
        with suppress(ProcessLookupError):
            os.kill(self._nsenter.pid, signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def _supervise(self) -> Exit:
        try:
            status = await self._folders.during(asyncio.ensure_future(self._nsenter.wait()))
            await self._host.kill_orphans(self)
        finally:
            self._log.close()
            os.close(self._pidfd)
            self._pidfd = -1
        if self._log.fault is not None:
            raise SandboxError(f"cannot write a log: {self._log.fault}")
        return Exit(
            code=status if status >= 0 else None,
            signal=-status if status < 0 else None,
            log_overflow=self._log.overflow,
            out_of_memory=self._host.group.oom_kills() > self._oom_kills,
            exceeded=(*self._processes_exceeded(), *self._folders.exceeded),
            log_left_out=self._log.left_out,
        )

    def _processes_exceeded(self) -> tuple[str, ...]:
        refused = self._host.group.refused_forks() > self._refused_forks
        return (f"{self._host.limits.processes} processes",) if refused else ()


async def start(
    host: ProcessHost, launch: Launch, log: BoundedLog, mark: Mapping[str, str]
) -> Started:
    """Start a program; returns when it has been executed.

    Args:
        host: The host.
        launch: The program.
        log: For its standard output and error.
        mark: Environment variables that label it as the run's.

    Raises:
        LaunchError: It cannot be executed.
        SandboxError: It cannot be started for another reason.
    """
    message = _message(launch, mark)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            nsenter = await spawn(
                *_chain(host, theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log.end,
                stderr=log.end,
                environment={**tool_environment(), **mark},
                pass_fds=(theirs.fileno(),),
            )
        try:
            async with asyncio.timeout(START_S):
                return Started(nsenter, await _execute(host, ours, message, launch.core))
        except BaseException as error:
            ours.close()  # so launch.py exits
            await finish(_reap(nsenter))
            if isinstance(error, OSError):  # a timeout, too
                raise SandboxError(f"cannot start a program on a host: {error!r}") from error
            raise


async def kill_all(holder: Holder) -> None:
    """Kill everything on a host but PID 1, and wait until it is dead.

    Raises:
        SandboxError: It does not die in time.
    """
    # One kill(2) for all, sent inside, so that no fork can escape it. The shell's own is built in.
    await run_tool(
        "nsenter", "--target", str(holder.pid), "--pid", "sh", "-c", "kill -s KILL -- -1"
    )
    deadline = asyncio.get_running_loop().time() + KILL_ALL_S
    while (
        holder.has_processes()
    ):  # the kernel has no event for the death of somebody else's children
        if asyncio.get_running_loop().time() > deadline:
            raise SandboxError(f"processes on a host survive SIGKILL for {KILL_ALL_S} s")
        await asyncio.sleep(KILL_ALL_STEP_S)


def interpreter() -> tuple[str, ...]:
    """Our Python without site packages, virtualenv and PYTHON variables."""
    return os.path.realpath(sys.executable), "-I", "-S", "-B"


def _chain(host: ProcessHost, status: int) -> tuple[str, ...]:
    drop = ",".join(("-all", *(f"+{name}" for name in CAPABILITIES)))
    confine = ("setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={drop}")
    return (
        # Else nsenter stays if we are killed while the program is stopped, and so nsenter too.
        *("setpriv", "--pdeathsig", "KILL"),
        *host.holder.inside,
        *(confine if host.isolated else ()),
        *(*interpreter(), launch_script.__file__, str(status)),
    )


def _message(launch: Launch, mark: Mapping[str, str]) -> bytes:
    environment = {**launch.environment, **mark}
    return launch_script.encode(
        os.fsencode(os.path.realpath(launch.cwd)),
        [os.fsencode(word) for word in launch.command],
        {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
    )


async def _execute(
    host: ProcessHost, status: socket.socket, message: bytes, core: int | None
) -> int:
    """Limit the process of launch.py, send it the command, and wait until that is executed."""
    loop = asyncio.get_running_loop()
    pid = await _receive_pid(status)
    pidfd = os.pidfd_open(pid)
    try:
        _limit(pid, host)
        if core is not None:
            os.sched_setaffinity(pid, {core})  # passed on to whatever it starts
        answers, theirs = socket.socketpair()
        with answers:
            answers.setblocking(False)
            with theirs:
                socket.send_fds(status, [b"!"], [theirs.fileno()])
            await loop.sock_sendall(status, message)
            status.shutdown(socket.SHUT_WR)
            if problem := await loop.sock_recv(answers, 4096):
                raise LaunchError(problem.decode(errors="replace"))  # noqa: TRY301 - closes pidfd
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


async def _receive_pid(status: socket.socket) -> int:
    """The process id of launch.py, which the kernel translates to our PID namespace."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(status, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(status)
    data, ancillary, _, _ = status.recvmsg(1, socket.CMSG_SPACE(CREDENTIALS.size))
    if not data:
        raise SandboxError("cannot start a program on a host; its log has the reason")
    for level, kind, credentials in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid: int = CREDENTIALS.unpack(credentials)[0]
            return pid
    raise SandboxError("the kernel sent no credentials with the first byte of launch.py")


def _limit(pid: int, host: ProcessHost) -> None:
    if not host.isolated:
        return
    host.group.add(pid)
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    if "memory" not in host.group.limited:
        size = host.limits.memory_bytes
        resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))
    if "pids" not in host.group.limited:
        count = host.limits.processes
        resource.prlimit(pid, resource.RLIMIT_NPROC, (count, count))


async def _reap(nsenter: asyncio.subprocess.Process) -> None:
    """End an nsenter whose program was not executed."""
    try:
        async with asyncio.timeout(1):
            await nsenter.wait()
    except TimeoutError:
        await end_spawned(nsenter)
