"""A host of the middlebox's own: an empty network namespace with a TUN device for its interface.

IP packets that the kernel of that host sends are read from the device's file, and packets that are
written to the file are received by it. So the host has a whole TCP/IP stack, and no process. Its
namespace exists as long as the file and the sockets that were opened in it, so the end of this
process removes it. Needs CAP_SYS_ADMIN, to make and to leave a namespace, and /dev/net/tun.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from quicmatrix.runner.network.middlebox.frame import headers, mac_bytes, readdressed
from quicmatrix.runner.network.middlebox.port import BATCH, Received, refusal
from quicmatrix.runner.network.topology import ROUTED_NETWORKS, Interface

# From sched.h, linux/if_tun.h, linux/sockios.h and linux/if.h; Python lacks them, or has them late.
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN = 1
_IFF_NO_PI = 0x1000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP = 1

_ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
_LARGEST_PACKET = 2048
_PREFIX_BITS = int(ROUTED_NETWORKS[0].partition("/")[2])


class Tun:
    """Owns the device, in the network namespace that it is made in. IPv4 only.

    Its packets get Ethernet headers, as if the host were connected to a port of the middlebox.
    """

    def __init__(self, interface: Interface, port_mac: bytes) -> None:
        self._file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _configure(self._file, interface)
        except BaseException:
            os.close(self._file)
            raise
        own_mac = mac_bytes(interface.mac)
        self._macs = own_mac + port_mac
        self._sending = port_mac + own_mac

    def fileno(self) -> int:
        """For select()."""
        return self._file

    def receive(self, limit: int = BATCH) -> Iterator[Received]:
        """The next IP packets that the host sends."""
        for _ in range(limit):
            try:
                packet = os.read(self._file, _LARGEST_PACKET)
            except BlockingIOError:
                return
            frame = self._sending + _ETHERTYPES.get(packet[0] >> 4, b"\0\0") + packet
            found = headers(frame)
            if found is not None:
                yield Received(time.monotonic_ns(), frame, found, len(frame))

    def readdressed(self, frame: bytes) -> bytes:
        """The frame with the MAC addresses of a frame to the host."""
        return readdressed(frame, self._macs)

    def send(self, frame: bytes) -> str:
        """Let the host receive a frame's packet; why it could not be sent, or empty."""
        try:
            os.write(self._file, frame[14:])
        except OSError as error:
            return refusal(error)
        return ""

    def close(self) -> None:
        """Remove the device."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def new_namespace() -> Iterator[None]:
    """A new network namespace for this thread, and the old one again afterwards.

    Sockets and devices that are made in between belong to it, and stay in it.

    Raises:
        OSError: That is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare() came with Python 3.12
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(libc.unshare(_CLONE_NEWNET))
        try:
            yield
        finally:
            _check(libc.setns(home, _CLONE_NEWNET))
    finally:
        os.close(home)


def _check(result: int) -> None:
    if result:
        reason = os.strerror(ctypes.get_errno())
        raise OSError(ctypes.get_errno(), f"a network namespace needs CAP_SYS_ADMIN: {reason}")


def _configure(file: int, interface: Interface) -> None:
    name = interface.name.encode()
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name, _IFF_TUN | _IFF_NO_PI))
    netmask = (0xFFFFFFFF << 32 - _PREFIX_BITS & 0xFFFFFFFF).to_bytes(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command, address in (
            (_SIOCSIFADDR, socket.inet_aton(interface.ipv4)),
            (_SIOCSIFNETMASK, netmask),  # all the networks are on this link: no other route needed
        ):
            fcntl.ioctl(
                control, command, struct.pack("16sHH4s16x", name, socket.AF_INET, 0, address)
            )
        request = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | _IFF_UP))
