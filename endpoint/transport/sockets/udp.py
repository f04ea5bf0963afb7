"""UDP sockets in the event loop, with kernel features that asyncio's transports do not expose.

- All datagrams that are waiting are taken in before anything is sent. asyncio's own transport
  wakes up once a datagram; a connection then looks at its timers and writes an ACK for each.
- The ECN field of every datagram, both ways (RFC 9000, 13.4).
- The address that a datagram came to: what is sent on its path comes from there (RFC 9000, 9).
- Segmentation offload: a run of datagrams crosses into the kernel as one, if the kernel can.
- Never a fragment (RFC 9000, 14), and no guess of the kernel's at the path's MTU.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Self, cast

BUFFER_BYTES = 4 << 20
"""Asked of the kernel for each direction; its default holds some 90 datagrams of a burst."""
LARGEST_DATAGRAM = 65536
MOST_PER_WAKE_UP = 64
"""Datagrams taken in before anything is sent, so that ACKs are late by some 2 ms at most."""
MOST_SEGMENTS = 64
MOST_SEGMENTED_BYTES = 65000

# Of Linux, where the socket module does not name them.
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_IP_PKTINFO = 8
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_PROBE = 3
_IP_RECVTOS = 13
_IP_MTU = 14
_IPV6_MTU = 24
_UDP_SEGMENT = 103
_UDP_GRO = 104
_SOL_UDP = 17
_IN_PKTINFO = struct.Struct("@i4s4s")
_IN6_PKTINFO = struct.Struct("@16si")
_INT = struct.Struct("@i")
_U16 = struct.Struct("@H")
_ANCILLARY_BYTES = 256
_ECN_BITS = 0x03


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """Where a datagram came to."""

    port: int
    host: bytes = b""
    """Packed, of 4 or 16 bytes; empty: whatever the kernel chooses."""
    interface: int = field(default=0, compare=False)


class PathAddress(tuple[Any, ...]):  # noqa: SLOT001 - a tuple cannot have any
    """A peer's socket address which knows the local address too: both ends of a path.

    It is what aioquic takes for an address. Two of them are equal if both ends are; one of them
    and a plain tuple, if the peer's end is.
    """

    local: LocalAddress

    def __new__(cls, peer: tuple[Any, ...], local: LocalAddress) -> Self:
        """An address of a peer, as seen from a local one."""
        address = super().__new__(cls, peer)
        address.local = local
        return address

    def __eq__(self, other: object) -> bool:
        if self is other:  # as most are, of which two or three are compared for each datagram
            return True
        if isinstance(other, PathAddress) and self.local != other.local:
            return False
        return tuple.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return self is not other and not self == other

    __hash__ = tuple.__hash__


Address = tuple[str, int] | tuple[str, int, int, int] | PathAddress
"""A socket address of IPv4 or IPv6, as the socket module has it."""

Received = Callable[[bytes, Address, int], None]
"""Called for each datagram, with its path and its ECN field."""
Send = Callable[[Sequence[tuple[bytes, Address]], int], None]
"""Sends datagrams, each to its address, all with an ECN field."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at a numeric address; ``::`` takes IPv4 as well, as v4-mapped addresses.

    Raises:
        OSError: The address is not ours, or is in use.
    """
    udp = _new_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind((host, port))
    except OSError:
        udp.close()
        raise
    return udp


def client_socket(family: int, host: str = "", port: int = 0) -> socket.socket:
    """A socket of the family of the server's address, at any address and free port if not given.

    Raises:
        OSError: The address is not ours, or is in use.
    """
    udp = _new_socket(family)
    anywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - a client's
    try:
        udp.bind((host or anywhere, port))
    except OSError:
        udp.close()
        raise
    return udp


def is_ipv4(host: str) -> bool:
    """Whether a numeric address is one of IPv4, v4-mapped or not."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.version == 4 or address.ipv4_mapped is not None


def resolve(host: str, port: int) -> tuple[int, Address]:
    """The first address that a name has, and its family.

    Raises:
        OSError: It has none.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    return family, cast("Address", address)  # no Bluetooth


def route_size(address: Address) -> int:
    """The largest datagram that the interface towards an address carries, without its headers.

    0 if there is no way to the address.
    """
    is_ipv6 = ":" in address[0]
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(tuple(address))  # sends nothing
            if is_ipv6 and not address[0].startswith("::ffff:"):
                return udp.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU) - 48
            return udp.getsockopt(socket.IPPROTO_IP, _IP_MTU) - 28
        except OSError:
            return 0


def _new_socket(family: int) -> socket.socket:
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.setblocking(False)
    for option, forced in (
        (socket.SO_RCVBUF, _SO_RCVBUFFORCE),
        (socket.SO_SNDBUF, _SO_SNDBUFFORCE),
    ):
        udp.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        with suppress(OSError):  # beyond net.core.rmem_max needs CAP_NET_ADMIN
            udp.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
    wanted = [
        # A dual-stack socket needs both families' options, for its v4-mapped peers.
        (socket.IPPROTO_IP, _IP_RECVTOS, 1),
        (socket.IPPROTO_IP, _IP_PKTINFO, 1),
        (socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE),
        (_SOL_UDP, _UDP_GRO, 1),
    ]
    if family == socket.AF_INET6:
        wanted += [
            (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1),
            (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1),
            (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE),
        ]
    for level, option, value in wanted:
        with suppress(OSError):  # a kernel without it: we work without it too
            udp.setsockopt(level, option, value)
    return udp


class UdpSocket:
    """A socket whose datagrams are handed on in batches.

    Args:
        udp: Non-blocking; owned from now on.
        knows_host: Whether its paths know the local host. A client's do not: its address may
            change under a connection, which then goes on (RFC 9000, 9).
    """

    def __init__(self, udp: socket.socket, *, knows_host: bool = True) -> None:
        self._udp = udp
        self._buffer = bytearray(LARGEST_DATAGRAM)
        self._loop = asyncio.get_running_loop()
        self._knows_host = knows_host
        self._is_ipv6 = udp.family == socket.AF_INET6
        self._segments = _can_segment(udp)
        self._last: tuple[object, bytes, PathAddress] | None = None
        self.host: str = udp.getsockname()[0]
        self.port: int = udp.getsockname()[1]

    @property
    def local(self) -> LocalAddress:
        """The local end of its paths, as they know it; bound to all addresses it has no host."""
        if not self._knows_host:
            return LocalAddress(self.port)
        family = socket.AF_INET6 if self._is_ipv6 else socket.AF_INET
        return LocalAddress(self.port, socket.inet_pton(family, self.host.partition("%")[0]))

    def start(self, received: Received, drained: Callable[[], None]) -> None:
        """Take in datagrams from now on.

        Args:
            received: Called for each datagram, with its path and its ECN field.
            drained: Called once after each batch: the time to send.
        """
        self._loop.add_reader(self._udp, self._readable, received, drained)

    def send(self, datagrams: Sequence[tuple[bytes, Address]], codepoint: int = 0) -> None:
        """Give datagrams to the kernel, with an ECN field.

        What the kernel refuses - its queue is full, the network is unreachable for now - is lost
        like a datagram on the path, and recovered from in the same way.
        """
        for address, run in groupby(datagrams, key=itemgetter(1)):
            control = self._control(address, codepoint)
            for batch in _batches([datagram for datagram, _ in run], self._segments):
                self._send_batch(batch, control, address)

    def close(self) -> None:
        """Stop. What was sent before is on its way. May be called again."""
        if self._udp.fileno() >= 0:
            self._loop.remove_reader(self._udp)
            self._udp.close()

    def _send_batch(
        self, batch: Sequence[bytes], control: list[tuple[int, int, bytes]], address: Address
    ) -> None:
        if len(batch) > 1 and self._segments:
            segment = (_SOL_UDP, _UDP_SEGMENT, _U16.pack(len(batch[0])))
            try:
                self._udp.sendmsg(batch, [*control, segment], 0, tuple(address))
            except BlockingIOError:
                return
            except OSError as error:
                # EIO: an interface without checksum offload, before Linux 6.11. EINVAL and
                # EMSGSIZE: more than the interface takes at once. One by one is always right.
                if error.errno == errno.EIO:
                    self._segments = False
            else:
                return
        for datagram in batch:
            with suppress(OSError):
                self._udp.sendmsg([datagram], control, 0, tuple(address))

    def _control(self, address: Address, codepoint: int) -> list[tuple[int, int, bytes]]:
        mark = _INT.pack(codepoint)
        control = [(socket.IPPROTO_IP, socket.IP_TOS, mark)]
        if self._is_ipv6:  # which of the two counts depends on whether the peer is v4-mapped
            control.append((socket.IPPROTO_IPV6, socket.IPV6_TCLASS, mark))
        if isinstance(address, PathAddress) and address.local.host:
            local = address.local
            if self._is_ipv6:
                info = _IN6_PKTINFO.pack(local.host, local.interface)
                control.append((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info))
            else:
                info = _IN_PKTINFO.pack(local.interface, local.host, bytes(4))
                control.append((socket.IPPROTO_IP, _IP_PKTINFO, info))
        return control

    def _readable(self, received: Received, drained: Callable[[], None]) -> None:
        view = memoryview(self._buffer)
        taken = 0
        while taken < MOST_PER_WAKE_UP:
            try:
                size, control, _, peer = self._udp.recvmsg_into([self._buffer], _ANCILLARY_BYTES)
            except BlockingIOError:
                break
            except OSError:
                taken += 1
                continue  # a pending ICMP error: says nothing that a timer does not find out
            codepoint, info, segment = _read_control(control)
            address = self._path(peer, info)
            step = segment or max(size, 1)
            for at in range(0, max(size, 1), step):
                received(bytes(view[at : min(at + step, size)]), address, codepoint)
                taken += 1
        drained()

    def _path(self, peer: tuple[Any, ...], info: bytes) -> PathAddress:
        if self._last is not None and self._last[0] == peer and self._last[1] == info:
            return self._last[2]
        local = _local_address(self.port, info) if self._knows_host else LocalAddress(self.port)
        address = PathAddress(peer, local)
        self._last = (peer, info, address)
        return address


class UdpSockets:
    """Several sockets as one: what goes out on a path leaves by the socket that it came to.

    Args:
        sockets: The first sends what has no path yet.
    """

    def __init__(self, sockets: Sequence[UdpSocket]) -> None:
        self._first = sockets[0]
        self._by_port = {udp.port: udp for udp in sockets}

    def add(self, udp: UdpSocket) -> None:
        """One more."""
        self._by_port[udp.port] = udp

    def has_port(self, port: int) -> bool:
        """Whether one of them is at a port."""
        return port in self._by_port

    def leave(self, udp: UdpSocket, successor: UdpSocket) -> None:
        """Close one of them; what has no path goes out by another one from now on."""
        del self._by_port[udp.port]
        if self._first is udp:
            self._first = successor
        udp.close()

    def start(self, received: Received, drained: Callable[[], None]) -> None:
        """Take in datagrams from now on, as :meth:`UdpSocket.start` does."""
        for udp in self._by_port.values():
            udp.start(received, drained)

    def send(self, datagrams: Sequence[tuple[bytes, Address]], codepoint: int = 0) -> None:
        """Give datagrams to the kernel, as :meth:`UdpSocket.send` does."""
        for udp, run in groupby(datagrams, key=lambda datagram: self.of_path(datagram[1])):
            udp.send(list(run), codepoint)

    def of_path(self, address: Address) -> UdpSocket:
        """The socket that sends on a path."""
        if isinstance(address, PathAddress):
            return self._by_port.get(address.local.port, self._first)
        return self._first

    def close(self) -> None:
        """Close all of them."""
        for udp in self._by_port.values():
            udp.close()


def _can_segment(udp: socket.socket) -> bool:
    try:
        udp.getsockopt(_SOL_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def _batches(datagrams: list[bytes], segments: bool) -> Iterator[Sequence[bytes]]:
    """Runs of datagrams of one size, of which only the last may be smaller."""
    start = 0
    while start < len(datagrams):
        size = len(datagrams[start])
        stop = start + 1
        most = min(MOST_SEGMENTS, MOST_SEGMENTED_BYTES // max(size, 1)) if segments else 1
        while stop < len(datagrams) and stop - start < most and len(datagrams[stop]) <= size:
            stop += 1
            if len(datagrams[stop - 1]) < size:
                break
        yield datagrams[start:stop]
        start = stop


def _read_control(control: Iterable[tuple[int, int, bytes]]) -> tuple[int, bytes, int]:
    """The ECN field, the packet information and the size of segments, each if there."""
    codepoint, info, segment = 0, b"", 0
    for level, kind, data in control:
        if level == socket.IPPROTO_IP:
            if kind == socket.IP_TOS:
                codepoint = data[0] & _ECN_BITS
            elif kind == _IP_PKTINFO and not info:
                info = data  # a dual-stack socket gives the v4-mapped address as well
        elif level == socket.IPPROTO_IPV6:
            if kind == socket.IPV6_TCLASS:
                codepoint = _INT.unpack_from(data)[0] & _ECN_BITS
            elif kind == socket.IPV6_PKTINFO:
                info = data
        elif level == _SOL_UDP and kind == _UDP_GRO:
            (segment,) = _INT.unpack_from(data)
    return codepoint, info, segment


def _local_address(port: int, info: bytes) -> LocalAddress:
    if len(info) >= _IN6_PKTINFO.size:
        host, interface = _IN6_PKTINFO.unpack_from(info)
        # The interface matters for link-local addresses alone; else routing decides.
        is_link_local = host[0] == 0xFE and host[1] & 0xC0 == 0x80
        return LocalAddress(port, host, interface if is_link_local else 0)
    if len(info) >= _IN_PKTINFO.size:
        _, host, _ = _IN_PKTINFO.unpack_from(info)
        return LocalAddress(port, host)
    return LocalAddress(port)
