"""A program on a host: how it is started, and how it ends.

The chain is ``nsenter`` (into the host's namespaces) - ``setpriv`` (without the capabilities that
could undo them) - :mod:`quicmatrix.runner.sandbox.netns.launch` - the program. nsenter stays
outside as the parent and ends as the program does: with its exit code, or by its signal. Everything
before the program reports its failures over the launch socket, so no exit status of a tool is ever
taken for the program's.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
SWEEP_S = 10.0
SWEEP_STEP_S = 0.002
CREDENTIALS = struct.Struct("3i")
"""struct ucred: process, user and group id, as the receiver counts."""


class Surroundings(Protocol):
    """What a process needs of its host."""

    group: Group
    limits: Limits

    @property
    def holder(self) -> Holder:
        """What its namespaces live by."""

    @property
    def contained(self) -> bool:
        """Whether it is one of the sides."""

    async def settle(self, ended: NetnsProcess) -> None:
        """Kill what a program left behind, if no other program runs there."""


@dataclass(frozen=True, slots=True)
class Started:
    """A program that runs."""

    nsenter: asyncio.subprocess.Process
    pidfd: int
    """Of the program itself."""


class NetnsProcess:
    """A program on a host; see :class:`quicmatrix.runner.sandbox.model.Process`.

    Whatever it leaves behind when it ends is killed if no other program runs on the host; else
    that dies with the last of them.
    """

    def __init__(
        self, host: Surroundings, log: BoundedLog, started: Started, grace_s: float
    ) -> None:
        self._host = host
        self._log = log
        self._nsenter = started.nsenter
        self._pidfd = started.pidfd
        self._grace_s = grace_s
        self._oom_kills = host.group.oom_kills()
        log.when_full(self.kill_now)
        self._end = asyncio.ensure_future(self._supervise())  # awaited when the host ends

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._end.done()

    async def wait(self) -> Exit:
        """Wait until it ends, and until nothing of it is left."""
        return await asyncio.shield(self._end)

    async def stop(self) -> Exit:
        """SIGTERM to the program; after a grace, :meth:`kill`."""
        self._signal(signal.SIGTERM)
        await asyncio.wait({self._end}, timeout=self._grace_s)
        return await self.kill()

    async def kill(self) -> Exit:
        """SIGKILL; what it left behind follows as soon as it is dead."""
        while self.running:
            self.kill_now()
            await asyncio.wait({self._end}, timeout=0.1)
        return await self.wait()

    def kill_now(self) -> None:
        """SIGKILL to the program, without waiting."""
        self._signal(signal.SIGKILL)
        # nsenter stops itself when the program stops, and would then never see it die.
        # Not by its own send_signal(): that polls first, and may take its status from asyncio.
        with suppress(ProcessLookupError):
            os.kill(self._nsenter.pid, signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def _supervise(self) -> Exit:
        try:
            status = await self._nsenter.wait()
            await self._host.settle(self)
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
        )


async def start(
    host: Surroundings, launch: Launch, log: BoundedLog, mark: Mapping[str, str]
) -> Started:
    """Start a program; returns when it has been executed.

    Args:
        host: Where.
        launch: What.
        log: For all that it prints.
        mark: What is added to its environment: the run's label.

    Raises:
        LaunchError: It cannot be executed.
        SandboxError: The machine refused.
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
                return Started(nsenter, await _hand_over(host, ours, message, launch.core))
        except BaseException as error:
            ours.close()  # launch.py gives up
            await finish(_reap(nsenter))
            if isinstance(error, OSError):  # a timeout, too
                raise SandboxError(f"cannot start a program on a host: {error!r}") from error
            raise


async def sweep(holder: Holder) -> None:
    """Kill everything on a host but its holder, and wait until it is gone.

    Raises:
        SandboxError: It does not go.
    """
    # One kill(2) for all, sent inside, so that no fork can escape it. The shell's own is built in.
    await run_tool(
        "nsenter", "--target", str(holder.pid), "--pid", "sh", "-c", "kill -s KILL -- -1"
    )
    deadline = asyncio.get_running_loop().time() + SWEEP_S
    while holder.crowded():  # the kernel has no event for the death of somebody else's children
        if asyncio.get_running_loop().time() > deadline:
            raise SandboxError(f"processes on a host survive SIGKILL for {SWEEP_S} s")
        await asyncio.sleep(SWEEP_STEP_S)


def needed(launch: Launch) -> list[Path]:
    """What a program has to see of the machine: its working directory and where it lies itself."""
    cwd = Path(os.path.realpath(launch.cwd))
    name = launch.command[0]
    if "/" in name:
        program = os.path.join(cwd, name)  # noqa: PTH118 - keeps the links for realpath
    else:
        search = launch.environment.get("PATH", os.defpath)
        program = shutil.which(name, path=search) or ""
    paths = [cwd]
    if program:
        paths += [Path(os.path.abspath(program)), Path(os.path.realpath(program))]  # noqa: PTH100
    return paths


def interpreter() -> tuple[str, ...]:
    """Our Python, bare: without its site packages, the environment's settings or a virtualenv."""
    return os.path.realpath(sys.executable), "-I", "-S", "-B"


def _chain(host: Surroundings, status: int) -> tuple[str, ...]:
    drop = ",".join(("-all", *(f"+{name}" for name in CAPABILITIES)))
    confine = ("setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={drop}")
    return (
        # If we are killed while the program and so nsenter are stopped, it would stay for ever.
        *("setpriv", "--pdeathsig", "KILL"),
        *host.holder.inside,
        *(confine if host.contained else ()),
        *(*interpreter(), launch_script.__file__, str(status)),
    )


def _message(launch: Launch, mark: Mapping[str, str]) -> bytes:
    environment = {**launch.environment, **mark}
    return launch_script.encode(
        os.fsencode(os.path.realpath(launch.cwd)),
        [os.fsencode(word) for word in launch.command],
        {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
    )


async def _hand_over(
    host: Surroundings, status: socket.socket, message: bytes, core: int | None
) -> int:
    """Limit the process that says hello, tell it what to become, and watch it do so."""
    loop = asyncio.get_running_loop()
    pid = await _hello(status)
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


async def _hello(status: socket.socket) -> int:
    """The process id of whoever speaks first, which the kernel translates to ours."""
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
    raise SandboxError("the kernel does not tell who starts a program")


def _limit(pid: int, host: Surroundings) -> None:
    if not host.contained:
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
    """End what has not become a program."""
    try:
        async with asyncio.timeout(1):
            await nsenter.wait()
    except TimeoutError:
        await end_spawned(nsenter)
