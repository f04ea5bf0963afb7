"""One UDP socket in the event loop.

asyncio's own datagram transport wakes up once a datagram; a connection then looks at its timers
and writes an ACK for each of them. Here all datagrams that are waiting are taken in before the
connections get to send, which halves the work of a receiver.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

BUFFER_BYTES = 4 << 20
"""Asked of the kernel for each direction; its default holds some 90 datagrams of a burst."""
LARGEST_DATAGRAM = 65536
MOST_PER_WAKE_UP = 64
"""Datagrams taken in before anything is sent, so that ACKs are late by some 2 ms at most."""

Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address of IPv4 or IPv6, as the socket module has it."""


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


def client_socket(family: int) -> socket.socket:
    """A socket at any free port, of the family of the server's address."""
    udp = _new_socket(family)
    udp.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104 - a client's
    return udp


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
    return udp


_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33


class UdpSocket:
    """A socket whose datagrams are handed on in batches.

    Args:
        udp: Non-blocking; owned from now on.
    """

    def __init__(self, udp: socket.socket) -> None:
        self._udp = udp
        self._buffer = bytearray(LARGEST_DATAGRAM)
        self._loop = asyncio.get_running_loop()

    def start(
        self, received: Callable[[bytes, Address], None], drained: Callable[[], None]
    ) -> None:
        """Take in datagrams from now on.

        Args:
            received: Called for each datagram, with its sender's address.
            drained: Called once after each batch: the time to send.
        """
        self._loop.add_reader(self._udp, self._readable, received, drained)

    def send(self, datagram: bytes, address: Address) -> None:
        """Give a datagram to the kernel.

        What the kernel refuses - its queue is full, the network is unreachable for now - is lost
        like a datagram on the path, and recovered from in the same way.
        """
        with suppress(OSError):
            self._udp.sendto(datagram, address)

    def close(self) -> None:
        """Stop. What was sent before is on its way. May be called again."""
        if self._udp.fileno() >= 0:
            self._loop.remove_reader(self._udp)
            self._udp.close()

    def _readable(
        self, received: Callable[[bytes, Address], None], drained: Callable[[], None]
    ) -> None:
        view = memoryview(self._buffer)
        for _ in range(MOST_PER_WAKE_UP):
            try:
                size, _, _, address = self._udp.recvmsg_into([self._buffer])
            except BlockingIOError:
                break
            except OSError:
                continue  # a pending ICMP error: says nothing that a timer does not find out
            received(bytes(view[:size]), address)
        drained()
