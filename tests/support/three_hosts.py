"""Three network namespaces, wired as an attempt's hosts are: client - sim - server.

A namespace lives as long as its holder, a process that ends with its standard input, and so with
this one, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from quicmatrix.runner.network import control
from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT, Interface

_SIOCETHTOOL = 0x8946
_SWITCHED_OFF = {"rx": 0x15, "tx": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
_CLONE_NEWNET = 0x40000000


T = TypeVar("T")


@dataclass(frozen=True)
class Host:
    pid: int

    def inside(self, function: Callable[..., T], *arguments: object, **options: object) -> T:
        """What a function returns on the host; sockets that it opens stay there.

        It has a thread of its own, since a user without privileges cannot return to the machine's
        network namespace.
        """

        def enter() -> T:
            with Path(f"/proc/{self.pid}/ns/net").open("rb") as there:
                _setns(there.fileno())
            return function(*arguments, **options)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()

    def udp(self, address: str = "", port: int = 0, *, ipv6: bool = False) -> socket.socket:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        opened = self.inside(socket.socket, family, socket.SOCK_DGRAM)
        if ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.settimeout(5)
        with suppress(PermissionError):  # as root of a user namespace
            opened.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        opened.bind((address, port))
        return opened

    def command(self, *words: str) -> tuple[str, ...]:
        return ("nsenter", f"--target={self.pid}", "--net", *words)

    def ip(self, *lines: str) -> None:
        subprocess.run(
            self.command("ip", "-batch", "-"),
            input="\n".join(lines),
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )


@dataclass(frozen=True)
class ThreeHosts:
    client: Host
    sim: Host
    server: Host


@contextmanager
def three_hosts(*, offload: bool = False) -> Iterator[ThreeHosts]:
    """Interfaces compute no checksums and join no segments, unless ``offload`` is left on."""
    with ExitStack() as stack:
        hosts = ThreeHosts(*(stack.enter_context(_host()) for _ in range(3)))
        _connect(hosts.client, CLIENT, hosts.sim, SIM_LEFT)
        _connect(hosts.server, SERVER, hosts.sim, SIM_RIGHT)
        if not offload:
            _switch_offload_off(hosts.client, CLIENT)
            _switch_offload_off(hosts.server, SERVER)
        yield hosts


@dataclass
class RunningMiddlebox:
    channel: control.Channel
    process: asyncio.subprocess.Process
    captures: Path


@asynccontextmanager
async def middlebox(
    hosts: ThreeHosts,
    scenario: str,
    *,
    seed: int = 1,
    capture_limit: int = 1 << 30,
    probe_timeout_s: float | None = None,
) -> AsyncIterator[RunningMiddlebox]:
    """A middlebox that captures."""
    with tempfile.TemporaryDirectory(prefix="middlebox-") as folder:
        path = Path(folder, "control")
        async with control.listen(path) as channel:
            arguments = control.command(
                scenario=scenario,
                seed=seed,
                capture_dir=Path(folder),
                capture_limit=capture_limit,
                control=path,
                probe_timeout_s=probe_timeout_s,
            )
            process = await asyncio.create_subprocess_exec(
                *hosts.sim.command(*arguments), stdin=subprocess.DEVNULL
            )
            try:
                await channel.capturing()
                yield RunningMiddlebox(channel, process, Path(folder))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _connect(host: Host, own: Interface, sim: Host, far: Interface) -> None:
    host.ip(
        f"link add {own.name} address {own.mac} type veth"
        f" peer name {far.name} address {far.mac} netns {sim.pid}"
    )
    for here, near, peer in ((host, own, far), (sim, far, own)):
        ipv4, ipv6 = near.addresses
        here.ip(
            "link set lo up",
            f"link set {near.name} up",
            f"addr add {ipv4} dev {near.name}",
            f"addr add {ipv6} dev {near.name} nodad",
            f"neigh add {peer.ipv4} lladdr {peer.mac} dev {near.name}",
            f"neigh add {peer.ipv6} lladdr {peer.mac} dev {near.name}",
        )
    host.ip(
        f"route add 193.167.0.0/16 via {far.ipv4}",
        f"route add fd00:cafe:cafe::/48 via {far.ipv6}",
    )


def _switch_offload_off(host: Host, interface: Interface) -> None:
    with host.udp() as any_socket:
        for command in _SWITCHED_OFF.values():
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP8x", interface.name.encode(), ctypes.addressof(value))
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)


@contextmanager
def _host() -> Iterator[Host]:
    # Where Docker runs, a new namespace inherits that it forwards.
    shell = "echo 0 >/proc/sys/net/ipv4/ip_forward; echo made; exec cat"
    command = ("unshare", "--net", "sh", "-c", shell)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"made\n"
        yield Host(holder.pid)


def _setns(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
