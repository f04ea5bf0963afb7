"""Sandboxes made of Linux namespaces: no container engine, no images, a fraction of a second each.

Everything is owned by processes that we hold on a pipe (:mod:`runner.sandbox.holder`), so nothing
can stay behind when the runner dies but an empty scratch folder and empty control groups, and those
carry the run's label (:mod:`runner.sandbox.label`).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT
from runner.printable import printable
from runner.sandbox import cgroup, label, privileges, wires
from runner.sandbox.holder import SCRIPT, finish
from runner.sandbox.host import NetnsHost
from runner.sandbox.label import Label, Runner
from runner.sandbox.model import Folders, Limits, SandboxError

SIDES = ("client", "server")


class NetnsBackend:
    """Sandboxes made of namespaces; see :class:`runner.sandbox.model.Backend`.

    Args:
        scratch: Where each sandbox has a folder while it lasts; the machine's /tmp if None.
        stop_grace_s: How long a program may take to end after SIGTERM.
        visible: Paths that both sides see, read-only, wherever they lie. Our own Python and
            virtualenv, and each program and its working directory, are visible in any case.
    """

    def __init__(
        self,
        *,
        scratch: Path | None = None,
        stop_grace_s: float = 5.0,
        visible: Sequence[Path] = (),
    ) -> None:
        self._scratch = scratch or Path(tempfile.gettempdir())
        self._stop_grace_s = stop_grace_s
        self._visible = (Path(sys.prefix), Path(sys.base_prefix), SCRIPT.parent, *visible)

    def check(self) -> None:
        """Find out whether namespaces can be made here.

        Raises:
            UserError: They cannot; the hint says what to do.
        """
        privileges.check()

    @asynccontextmanager
    async def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AsyncIterator[NetnsSandbox]:
        """Three hosts, joined by two wires, gone when the context is left.

        Raises:
            SandboxError: The machine refused to make them, or something of them is left.
        """
        parents = _parents()
        with label.scratch_folder(self._scratch) as scratch:
            sides = {name: cgroup.group(parents, f"{scratch.name}-{name}") for name in SIDES}
            paths = tuple(str(folder) for one in sides.values() for folder in one.folders)
            mark = Label(run_id, Runner.this(), paths)
            label.attach(mark, scratch)
            hosts = [
                NetnsHost(
                    name=name,
                    scratch=scratch,
                    folders=folders,
                    limits=limits,
                    label=mark,
                    group=sides.get(name, cgroup.Group()),
                    grace_s=self._stop_grace_s,
                    visible=self._visible,
                )
                for name in (*SIDES, "sim")
            ]
            sandbox = NetnsSandbox(*hosts)
            try:
                await sandbox.create()
                yield sandbox
            finally:
                await finish(sandbox.remove())

    def limited(self) -> frozenset[str]:
        """Which of ``memory`` and ``pids`` a whole side is held to, by control groups.

        What is not is limited process by process, and for root processes not even counted.
        """
        return cgroup.group(_parents(), "").limited

    def leftovers(self) -> Sequence[str]:
        """What dead runs left behind, one line each."""
        return [leftover.text for leftover in label.leftovers(self._scratch)]

    def clean(self) -> Sequence[str]:
        """Remove it; one line for each thing removed."""
        found = label.leftovers(self._scratch)
        for leftover in found:
            leftover.remove()
        return [leftover.text for leftover in found]


@dataclass(frozen=True, slots=True)
class NetnsSandbox:
    """Three hosts; see :class:`runner.sandbox.model.Sandbox`."""

    client: NetnsHost
    server: NetnsHost
    sim: NetnsHost

    @property
    def hosts(self) -> tuple[NetnsHost, NetnsHost, NetnsHost]:
        """All of them."""
        return self.client, self.server, self.sim

    async def create(self) -> None:
        """Build the hosts side by side, then join them.

        Raises:
            SandboxError: The machine refused.
        """
        try:
            for host in self.hosts:
                await host.build()
            for host in self.hosts:
                await host.holder.ready()
            await self.sim.network(wires.pairs())
            with wires.Ethtool(self.sim.holder.namespaces["net"]) as ethtool:
                for interface in (SIM_LEFT.name, SIM_RIGHT.name, *wires.FAR_ENDS):
                    ethtool.disable_offloads(interface)
            await self.sim.network(wires.sim(self.client.holder.pid, self.server.holder.pid))
            await self.client.network(wires.side(CLIENT, SIM_LEFT))
            await self.server.network(wires.side(SERVER, SIM_RIGHT))
        except OSError as error:
            raise SandboxError(f"cannot make a sandbox: {error}") from error

    async def remove(self) -> None:
        """End the hosts, remove their control groups, and see that nothing is left.

        Raises:
            SandboxError: Something is left.
        """
        async with AsyncExitStack() as stack:  # each step is tried, whatever the others do
            for host in self.hosts:
                stack.callback(host.release)
            stack.callback(self._verify)
            for host in self.hosts:
                for folder in host.group.folders:
                    stack.push_async_callback(asyncio.to_thread, cgroup.remove, folder)
            for host in self.hosts:
                stack.push_async_callback(host.end)

    def _verify(self) -> None:
        inodes = frozenset[int]().union(*(host.inodes() for host in self.hosts))
        left = [_describe(folder) for folder in label.processes() if _in(folder, inodes)]
        if left:
            raise SandboxError(f"processes of a sandbox are left: {', '.join(left)}")


def _parents() -> tuple[cgroup.Parent, ...]:
    """The control groups that we can make others in."""
    files = (Path("/proc/self", name) for name in ("cgroup", "mountinfo"))
    return cgroup.parents(*(file.read_text("utf-8", errors="surrogateescape") for file in files))


def _describe(process: Path) -> str:
    with suppress(OSError):
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return printable(f"{process.name} ({' '.join(words).strip()})")
    return process.name


def _in(process: Path, namespaces: frozenset[int]) -> bool:
    """Whether a process is in one of these namespaces."""
    for name in ("net", "mnt", "pid"):
        with suppress(OSError):  # dead by now, or not ours
            if (process / "ns" / name).stat().st_ino in namespaces:
                return True
    return False
