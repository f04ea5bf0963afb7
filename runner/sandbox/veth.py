"""The veth pairs of a sandbox: their addresses, routes, neighbours and offloads.

All neighbours are permanent entries, and ARP and neighbour discovery are off, which also keeps the
kernel from sending announcements. So every packet on a link was sent by an endpoint or by the
middlebox.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import socket
import struct
import threading
from typing import Self

from quicmatrix.runner.network.topology import (
    CLIENT,
    ROUTED_NETWORKS,
    SERVER,
    SIM_LEFT,
    SIM_RIGHT,
    Interface,
)
from quicmatrix.runner.sandbox.model import SandboxError

METRIC = 4096
"""Of our routes: higher than the default, so that other routes are preferred."""
FAR_ENDS = {"left": CLIENT, "right": SERVER}
"""The names of the sides' ends while they are in the sim's namespace."""


def pairs() -> str:
    """Commands for ``ip -batch`` in the sim's namespace that create both veth pairs."""
    return "".join(
        f"link add name {near.name} address {near.mac} type veth"
        f" peer name {name} address {far.mac}\n"
        for (name, far), near in zip(FAR_ENDS.items(), (SIM_LEFT, SIM_RIGHT), strict=True)
    )


def sim(client_pid: int, server_pid: int) -> str:
    """Commands for the same that move the far ends to the sides, and configure the near ones."""
    moves = "".join(
        f"link set dev {name} netns {pid} name {far.name}\n"
        for (name, far), pid in zip(FAR_ENDS.items(), (client_pid, server_pid), strict=True)
    )
    return (
        moves
        + "link set dev lo up\n"
        + _interface(SIM_LEFT, neighbour=CLIENT)
        + _interface(SIM_RIGHT, neighbour=SERVER)
    )


def side(own: Interface, gateway: Interface) -> str:
    """Commands for ``ip -batch`` in the namespace of the client or the server."""
    return (
        "link set dev lo up\n"
        + _interface(own, neighbour=gateway)
        + _route(ROUTED_NETWORKS[0], gateway.ipv4, own, own.ipv4)
        + _route(ROUTED_NETWORKS[1], gateway.ipv6, own, own.ipv6)
    )


def _route(network: str, gateway: str, own: Interface, source: str) -> str:
    """A route with a metric that lets the route of an image's /setup.sh win."""
    return f"route add {network} via {gateway} dev {own.name} src {source} metric {METRIC}\n"


def _interface(own: Interface, neighbour: Interface) -> str:
    ipv4, ipv6 = own.addresses
    return (
        f"link set dev {own.name} addrgenmode none arp off\n"
        f"address add {ipv4} dev {own.name}\n"
        f"address add {ipv6} dev {own.name} nodad\n"
        f"link set dev {own.name} up\n"
        f"neighbour replace {neighbour.ipv4} lladdr {neighbour.mac} dev {own.name} nud permanent\n"
        f"neighbour replace {neighbour.ipv6} lladdr {neighbour.mac} dev {own.name} nud permanent\n"
    )


# --- Offloads: linux/ethtool.h ----------------------------------------------------------------

SIOCETHTOOL = 0x8946
ETHTOOL_GSTRINGS = 0x1B
ETHTOOL_GSSET_INFO = 0x37
ETHTOOL_GFEATURES = 0x3A
ETHTOOL_SFEATURES = 0x3B
ETH_SS_FEATURES = 4
STRING_BYTES = 32
CLONE_NEWNET = 0x40000000

OFFLOADS = (
    *("tx-checksum-", "tx-scatter-gather", "tx-tcp", "tx-udp", "tx-generic-segmentation"),
    *("tx-gso-", "tx-sctp-segmentation", "tx-gre-", "tx-ipxip", "rx-gro", "rx-udp-gro", "rx-lro"),
)
"""Prefixes of the kernel's names of features by which packets have incomplete checksums or more
than an MTU; the middlebox and the captures need packets as a real link has them."""


class Ethtool:
    """The feature flags of the interfaces in one network namespace.

    Args:
        namespace: An open file of it.
    """

    def __init__(self, namespace: int) -> None:
        self._socket = socket_in(namespace, socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def disable_offloads(self, interface: str) -> None:
        """Switch off everything in :data:`OFFLOADS`.

        Raises:
            SandboxError: Something of it is still on afterwards.
        """
        names = self._names(interface)
        unwanted = {i for i, name in enumerate(names) if name.startswith(OFFLOADS)}
        changeable = {
            i for i in unwanted if self._features(interface, len(names))[i // 32][0] >> i % 32 & 1
        }
        blocks = [(_word(changeable, block), 0) for block in range(_blocks(len(names)))]
        request = struct.pack("=II", ETHTOOL_SFEATURES, len(blocks))
        self._call(interface, request + b"".join(struct.pack("=II", *pair) for pair in blocks))
        if still := self.enabled(interface) & {names[i] for i in unwanted}:
            raise SandboxError(f"cannot switch off {', '.join(sorted(still))} of {interface}")

    def enabled(self, interface: str) -> set[str]:
        """The names of all features that are on."""
        names = self._names(interface)
        blocks = self._features(interface, len(names))
        return {name for i, name in enumerate(names) if blocks[i // 32][2] >> i % 32 & 1}

    def _names(self, interface: str) -> list[str]:
        request = struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0)
        count = struct.unpack_from("=I", self._call(interface, request), 16)[0]
        request = struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
        answer = self._call(interface, request + bytes(count * STRING_BYTES))[12:]
        return [
            answer[i : i + STRING_BYTES].split(b"\0")[0].decode("ascii")
            for i in range(0, count * STRING_BYTES, STRING_BYTES)
        ]

    def _features(self, interface: str, count: int) -> list[tuple[int, int, int, int]]:
        """For every 32 features: available, requested, active, never changed."""
        blocks = _blocks(count)
        request = struct.pack("=II", ETHTOOL_GFEATURES, blocks) + bytes(blocks * 16)
        answer = self._call(interface, request)
        return [struct.unpack_from("=4I", answer, 8 + 16 * i) for i in range(blocks)]

    def _call(self, interface: str, request: bytes) -> bytes:
        buffer = array.array("B", request)
        address, _ = buffer.buffer_info()
        ifreq = struct.pack("16sP16x", interface.encode("ascii"), address)
        fcntl.ioctl(self._socket, SIOCETHTOOL, ifreq)
        return buffer.tobytes()


def _blocks(count: int) -> int:
    return (count + 31) // 32


def _word(bits: set[int], block: int) -> int:
    return sum(1 << bit % 32 for bit in bits if bit // 32 == block)


def socket_in(namespace: int, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """Open a socket in another network namespace, by a thread that enters it.

    Raises:
        SandboxError: It cannot be opened.
    """
    made: list[socket.socket] = []
    problems: list[str] = []

    def enter_and_open() -> None:
        libc = ctypes.CDLL(None, use_errno=True)  # os.setns() came with Python 3.12
        try:
            if libc.setns(namespace, CLONE_NEWNET):
                problems.append(os.strerror(ctypes.get_errno()))
                return
            made.append(socket.socket(family, kind, protocol))
        except OSError as error:
            problems.append(str(error))

    thread = threading.Thread(target=enter_and_open, name="socket in another namespace")
    thread.start()
    thread.join()
    if not made:
        raise SandboxError(f"cannot open a socket on a host: {problems[0]}")
    return made[0]
