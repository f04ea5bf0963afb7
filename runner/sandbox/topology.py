"""The network of a sandbox: three hosts and two veth pairs, the same for both backends.

The sim is made of namespaces in either backend. Both veth pairs are created there, and one end of
each is moved to a side, be it a container or namespaces of ours. So middlebox and captures are the
same for containers and for local commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT
from quicmatrix.runner.printable import printable
from quicmatrix.runner.sandbox import label, veth
from quicmatrix.runner.sandbox.model import Host, SandboxError
from quicmatrix.runner.sandbox.netns.holder import run_tool
from quicmatrix.runner.sandbox.netns.host import NetnsHost

NAMESPACES = ("net", "mnt", "pid")
"""The namespaces by which a sandbox's processes are found."""


class SideHost(Host, Protocol):
    """A side's host, as the topology needs it."""

    async def build(self) -> None:
        """Start to make it."""

    async def ready(self) -> None:
        """Wait until it is made.

        Raises:
            SandboxError: It cannot be made.
        """

    @property
    def pid(self) -> int:
        """A process in its network namespace."""

    async def end(self) -> None:
        """Kill everything that runs on it, and remove it."""

    def inodes(self) -> frozenset[int]:
        """The inode numbers of its namespaces, until :meth:`release`."""

    def release(self) -> None:
        """Close its namespaces."""


SideT = TypeVar("SideT", bound=SideHost)


@dataclass(frozen=True, slots=True)
class Topology(Generic[SideT]):
    """Three hosts; see :class:`quicmatrix.runner.sandbox.model.Sandbox`."""

    client: SideT
    server: SideT
    sim: NetnsHost

    @property
    def hosts(self) -> tuple[SideT, SideT, NetnsHost]:
        """All of them."""
        return self.client, self.server, self.sim

    async def create(self) -> None:
        """Build the hosts in parallel, then their links.

        Raises:
            SandboxError: They cannot be made.
        """
        try:
            for host in self.hosts:
                await host.build()
            for host in self.hosts:
                await host.ready()
            await configure(self.sim.pid, veth.pairs())
            with veth.Ethtool(self.sim.holder.namespaces["net"]) as ethtool:
                for interface in (SIM_LEFT.name, SIM_RIGHT.name, *veth.FAR_ENDS):
                    ethtool.disable_offloads(interface)
            await configure(self.sim.pid, veth.sim(self.client.pid, self.server.pid))
            await configure(self.client.pid, veth.side(CLIENT, SIM_LEFT))
            await configure(self.server.pid, veth.side(SERVER, SIM_RIGHT))
        except OSError as error:
            raise SandboxError(f"cannot make a sandbox: {error}") from error

    async def remove(self) -> None:
        """End the hosts, and check that nothing of them is left.

        Raises:
            SandboxError: Something is left.
        """
        async with AsyncExitStack() as stack:  # every step is tried, even if others fail
            for host in self.hosts:
                stack.callback(host.release)
            stack.callback(self._verify)
            stack.push_async_callback(self._end)

    async def _end(self) -> None:
        ends = await asyncio.gather(*(host.end() for host in self.hosts), return_exceptions=True)
        for problem in ends:
            if isinstance(problem, BaseException):
                raise problem

    def _verify(self) -> None:
        left = processes_in(host.inodes() for host in self.hosts)
        if left:
            raise SandboxError(f"processes of a sandbox are left: {', '.join(left)}")


async def configure(pid: int, batch: str) -> None:
    """Run ``ip -batch`` in the network namespace of a process."""
    await run_tool("nsenter", "--target", str(pid), "--net", "ip", "-batch", "-", text=batch)


def processes_in(namespaces: Iterable[frozenset[int]]) -> list[str]:
    """Descriptions of the processes in these namespaces."""
    inodes = frozenset[int]().union(*namespaces)
    return [_describe(folder) for folder in label.processes() if _in(folder, inodes)]


def _describe(process: Path) -> str:
    with suppress(OSError):
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return printable(f"{process.name} ({' '.join(words).strip()})")
    return process.name


def _in(process: Path, namespaces: frozenset[int]) -> bool:
    """Whether a process is in one of these namespaces."""
    for name in NAMESPACES:
        with suppress(OSError):  # dead by now, or not ours
            if (process / "ns" / name).stat().st_ino in namespaces:
                return True
    return False
