"""A host of namespaces: its mounts, the programs that run on it, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from quicmatrix.runner.network.topology import SIM_LEFT, SIM_RIGHT, hosts_file
from quicmatrix.runner.sandbox.label import RUN_VARIABLE, Label, environment
from quicmatrix.runner.sandbox.log import BoundedLog
from quicmatrix.runner.sandbox.model import Folders, Launch, LaunchError, Limits, SandboxError
from quicmatrix.runner.sandbox.netns import cgroup, filesystem
from quicmatrix.runner.sandbox.netns.cgroup import Group
from quicmatrix.runner.sandbox.netns.holder import Holder, finish, hold, run_tool
from quicmatrix.runner.sandbox.netns.process import (
    NetnsProcess,
    interpreter,
    kill_all,
    start,
)
from quicmatrix.runner.sandbox.netns.visible import (
    hidden,
    own_home,
    required_paths,
    to_expose,
    to_open,
)

SCRIPT = (*interpreter(), filesystem.__file__)
OTHER_ENTRIES = 65536
"""Inodes in /logs, in /tmp and in /dev/shm."""


@dataclass(slots=True)
class NetnsHost:
    """A host; see :class:`~quicmatrix.runner.sandbox.model.Host`, made by its sandbox."""

    name: str
    """``client``, ``server`` or ``sim``."""
    scratch: Path
    folders: Folders
    limits: Limits
    label: Label
    group: Group
    grace_s: float
    visible: tuple[Path, ...]
    users: bool = False
    """Whether a side has a user namespace of its own, in which its processes are counted (see
    setrlimit(2), RLIMIT_NPROC)."""
    _holder: Holder | None = None
    _programs: list[NetnsProcess] = field(default_factory=list)
    _exposed: set[Path] = field(default_factory=set)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a program starts, and while the orphans of another one are killed."""

    @property
    def isolated(self) -> bool:
        """Whether it is one of the sides, with a file system of its own."""
        return self.name != "sim"

    @property
    def holder(self) -> Holder:
        """The processes that keep its namespaces."""
        if self._holder is None:
            raise SandboxError(f"the {self.name}'s host is not built")
        return self._holder

    # --- The Host protocol ------------------------------------------------------------------------

    async def start(self, launch: Launch, log: Path) -> NetnsProcess:
        """Start a program; its standard output and error go to the file ``log``."""
        if not launch.command:
            raise LaunchError(f"{launch.image}: this backend starts commands, not images")
        async with self._lock:
            await self._expose(required_paths(launch))
            drain = BoundedLog(log, self.limits.log_bytes)
            try:
                started = await start(self, launch, drain, {RUN_VARIABLE: self.label.run_id})
            except BaseException:
                drain.close()
                raise
            drain.close_end()
            program = NetnsProcess(self, drain, started, self.grace_s)
            self._programs.append(program)
            return program

    def folder(self, path: str) -> Path:
        """The path of a folder of the host in our mount namespace, while the sandbox lasts."""
        if self.isolated:
            return self.holder.root / path.lstrip("/")
        return Path(path)

    async def kill_orphans(self, ended: NetnsProcess) -> None:
        """Kill the processes that a program left behind, if no other program runs on the host."""
        async with self._lock:
            others = [one for one in self._programs if one is not ended and one.running]
            if self.holder.has_processes() and not others:
                await kill_all(self.holder)

    # --- For its sandbox --------------------------------------------------------------------------

    async def build(self) -> None:
        """Start to make it."""
        cgroup.create(self.group, self.limits)
        root = self.scratch / self.name
        root.mkdir()

        async def start() -> None:
            command = (*SCRIPT, "build", *self._arguments(root))
            users = self.isolated and self.users
            self._holder = await hold(command, environment(self.label), users=users)

        await finish(start())

    async def ready(self) -> None:
        """Wait until it is made."""
        await self.holder.ready()

    @property
    def pid(self) -> int:
        """Its PID 1, in our PID namespace."""
        return self.holder.pid

    async def end(self) -> None:
        """Kill everything that runs on it, and remove its control groups."""
        async with AsyncExitStack() as stack:  # every step is tried, even if others fail
            for folder in self.group.folders:
                stack.push_async_callback(asyncio.to_thread, cgroup.remove, folder)
            stack.push_async_callback(self._end_programs)

    async def _end_programs(self) -> None:
        if self._holder is None:
            return
        ends = await asyncio.gather(
            *(program.kill() for program in self._programs), return_exceptions=True
        )
        await self._holder.end()
        for problem in ends:
            if isinstance(problem, BaseException):
                raise problem

    def inodes(self) -> frozenset[int]:
        """The inode numbers of its namespaces, by which a process that is left is found."""
        return self._holder.inodes if self._holder else frozenset()

    def release(self) -> None:
        """Close its namespaces."""
        if self._holder is not None:
            self._holder.release()

    def _arguments(self, root: Path) -> tuple[str, ...]:
        folders, limits = self.folders, self.limits
        if not self.isolated:
            return (self.name,)
        www = ("bind", "/www", str(folders.www.absolute()))
        temporary = f"mode=1777,size={limits.temporary_bytes},nr_inodes={OTHER_ENTRIES}"
        # The folder itself is an inode too.
        downloads = f"size={limits.downloads_bytes},nr_inodes={limits.downloads_entries + 1}"
        logs = f"size={limits.logs_bytes},nr_inodes={OTHER_ENTRIES}"
        opened = to_open((own_home(), *self.visible))
        self._exposed.update(opened)
        return (
            *(self.name, str(root), hosts_file(SIM_LEFT if self.name == "client" else SIM_RIGHT)),
            *(www if self.name == "server" else ("tmpfs", "/www", "")),
            *("bind", "/certs", str(folders.certs.absolute())),
            *("tmpfs", "/dev/shm", temporary),  # noqa: S108 - its own
            *("tmpfs", "/tmp", temporary),  # noqa: S108
            *("tmpfs", "/downloads", f"mode=777,{downloads}"),
            *("tmpfs", "/logs", f"mode=777,{logs}"),
            *("tmpfs", "/run", "mode=755,size=1m,nr_inodes=1k"),
            *(word for path, how in opened.items() for word in (how, str(path), str(path))),
        )

    async def _expose(self, paths: Sequence[Path]) -> None:
        """Mount what lies in folders of the machine that a side does not have, or cannot read."""
        if not self.isolated:
            return
        shown = (*self.visible, *paths)
        if problem := hidden(shown):
            raise SandboxError(problem)
        wanted = [path for path in to_expose(shown) if self._exposed.isdisjoint(path.parents)]
        views = {**dict.fromkeys(wanted, filesystem.WHOLE), **to_open(paths)}
        missing = {path: how for path, how in views.items() if path not in self._exposed}
        if missing:
            outside = ("nsenter", "--target", str(self.holder.process.pid), "--mount")
            root = str(self.scratch / self.name)
            words = [word for path, how in missing.items() for word in (how, str(path))]
            await run_tool(*outside, *SCRIPT, "show", str(self.holder.pid), root, *words)
            self._exposed.update(missing)
