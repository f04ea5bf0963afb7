"""Three hosts joined by two wires, whatever the two sides are made of.

The sim is made of namespaces in any case, and the wires begin with it: both pairs are made there,
and their far ends given to the sides. So there is one network, one middlebox and one way to
capture, and a packet of a container goes the way that a packet of a local command goes.
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

KINDS = ("net", "mnt", "pid")
"""The namespaces by which it can be told who belongs to a sandbox."""


class SideHost(Host, Protocol):
    """A side's host, as who joins it to others sees it."""

    async def build(self) -> None:
        """Begin to make it."""

    async def ready(self) -> None:
        """Wait until it is made.

        Raises:
            SandboxError: The machine refused.
        """

    @property
    def pid(self) -> int:
        """A process in its network namespace."""

    async def end(self) -> None:
        """End it with everything that runs on it, and remove what it was made of."""

    def inodes(self) -> frozenset[int]:
        """What identifies its namespaces, until :meth:`release`."""

    def release(self) -> None:
        """Let go of its namespaces."""


SideT = TypeVar("SideT", bound=SideHost)


@dataclass(frozen=True, slots=True)
class Joined(Generic[SideT]):
    """Three hosts; see :class:`quicmatrix.runner.sandbox.model.Sandbox`."""

    client: SideT
    server: SideT
    sim: NetnsHost

    @property
    def hosts(self) -> tuple[SideT, SideT, NetnsHost]:
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
        """End the hosts, and see that nothing of them is left.

        Raises:
            SandboxError: Something is left.
        """
        async with AsyncExitStack() as stack:  # each step is tried, whatever the others do
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
        left = inhabitants(host.inodes() for host in self.hosts)
        if left:
            raise SandboxError(f"processes of a sandbox are left: {', '.join(left)}")


async def configure(pid: int, batch: str) -> None:
    """Run ``ip -batch`` in the network namespace of a process."""
    await run_tool("nsenter", "--target", str(pid), "--net", "ip", "-batch", "-", text=batch)


def inhabitants(namespaces: Iterable[frozenset[int]]) -> list[str]:
    """Whoever is in one of these namespaces, to be read by people."""
    inodes = frozenset[int]().union(*namespaces)
    return [_describe(folder) for folder in label.processes() if _in(folder, inodes)]


def _describe(process: Path) -> str:
    with suppress(OSError):
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return printable(f"{process.name} ({' '.join(words).strip()})")
    return process.name


def _in(process: Path, namespaces: frozenset[int]) -> bool:
    """Whether a process is in one of these namespaces."""
    for name in KINDS:
        with suppress(OSError):  # dead by now, or not ours
            if (process / "ns" / name).stat().st_ino in namespaces:
                return True
    return False
