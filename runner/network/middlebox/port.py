"""One interface of the middlebox: an AF_PACKET socket that receives and sends whole frames."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from struct import Struct
from types import TracebackType
from typing import NamedTuple, Self

from quicmatrix.runner.network.middlebox.frame import Headers, headers, readdressed, with_checksum

# From linux/if_packet.h, linux/if_ether.h and asm-generic/socket.h; the socket module lacks them.
_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_AUXDATA = 8
_PACKET_IGNORE_OUTGOING = 23
_TP_STATUS_CSUMNOTREADY = 8
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35

_TIMESPEC = Struct("@qq")
_AUXDATA = Struct("@IIIHHHH")
_STATISTICS = Struct("@II")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_AUXDATA.size)

_BUFFER_BYTES = 32 * 1024 * 1024
"""About 14,000 full-sized packets: a second at more than 100 Mbps."""
_LARGEST_FRAME = 2048
BATCH = 16
"""Frames read at once; few, so that deliveries on the other side do not have to wait for long."""

_REFUSALS = {
    errno.EMSGSIZE: "larger than the MTU",
    errno.ENETDOWN: "interface down",
    errno.ENXIO: "interface gone",
    errno.EIO: "interface down",
    errno.ENOBUFS: "no buffer",
    errno.EAGAIN: "no buffer",
}


class Received(NamedTuple):
    """A frame that came in, addressed to this interface."""

    time_ns: int
    """When the kernel received it, on the monotonic clock."""
    frame: bytes
    headers: Headers
    original_length: int
    """Of the frame; more than its bytes here if it is far larger than an Ethernet frame, as
    happens where the sender leaves segmentation to its interface."""


class Port:
    """Owns the socket."""

    def __init__(self, interface: str, peer_mac: bytes) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._configure()
            # Only now, so that nothing of other interfaces is ever received.
            self._socket.bind((interface, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise
        self.own_mac: bytes = self._socket.getsockname()[4]
        self._macs = peer_mac + self.own_mac
        self._dropped = 0

    def fileno(self) -> int:
        """For select()."""
        return self._socket.fileno()

    def receive(self, limit: int = BATCH) -> Iterator[Received]:
        """The IP packets among the next frames that are addressed to this interface.

        The kernel stamps them with the wall clock, which is converted to the monotonic clock now.
        So setting the wall clock affects only the frames that are waiting at that moment.
        """
        now_ns = time.monotonic_ns()
        monotonic = now_ns - time.time_ns()
        for _ in range(limit):
            try:
                frame, ancillary, _, _ = self._socket.recvmsg(_LARGEST_FRAME, _ANCILLARY)
            except BlockingIOError:
                return
            if frame[:6] != self.own_mac:
                continue
            stamp_ns, status, length = _parse(ancillary)
            found = headers(frame.ljust(length, b"\0"))
            if found is None:
                continue
            if status & _TP_STATUS_CSUMNOTREADY and length <= len(frame):
                # The sender left the checksum to its interface, and a veth does not compute it.
                frame = with_checksum(frame, found)
            yield Received(stamp_ns + monotonic, frame, found, length)

    def readdressed(self, frame: bytes) -> bytes:
        """The frame with the MAC addresses of this interface and of the host behind it."""
        return readdressed(frame, self._macs)

    def send(self, frame: bytes) -> str:
        """Send a frame as it is; why it could not be sent, or empty."""
        try:
            self._socket.send(frame)
        except OSError as error:
            return refusal(error)
        return ""

    def dropped(self) -> int:
        """How many frames the kernel lost because they were not read in time."""
        raw = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        self._dropped += _STATISTICS.unpack(raw)[1]  # reading sets the kernel's counter to zero
        return self._dropped

    def close(self) -> None:
        """Stop receiving."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _configure(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        for force, limited in (
            (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
            (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
        ):
            self._socket.setsockopt(socket.SOL_SOCKET, limited, _BUFFER_BYTES)
            with contextlib.suppress(PermissionError):  # not root outside of its user namespace
                self._socket.setsockopt(socket.SOL_SOCKET, force, _BUFFER_BYTES)


def refusal(error: OSError) -> str:
    """Why a frame could not be sent, as captures show it.

    Raises:
        OSError: The error itself, if it is about neither the frame nor the interface.
    """
    if error.errno not in _REFUSALS:
        raise error
    return _REFUSALS[error.errno]


def _parse(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int, int]:
    """The kernel's time stamp, the frame's status and its original length."""
    stamp_ns = status = length = 0
    for level, _, data in ancillary:
        if level == _SOL_PACKET:
            status, length, *_ = _AUXDATA.unpack(data)
        else:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            stamp_ns = seconds * 1_000_000_000 + nanoseconds
    return stamp_ns, status, length
