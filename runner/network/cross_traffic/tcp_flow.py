"""The bulk flow of tcp-cross-traffic: one TCP connection that sends as fast as CUBIC lets it.

Its ends are real TCP stacks, on two hosts of the middlebox's own, with the addresses that
quic-interop-runner gives to them. It goes from the server's side to the client's, across the same
link as all other packets. As in quic-interop-runner, the sender connects when the client may start,
and it sends until the end.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from quicmatrix.runner.network.cross_traffic.goodput import Arrivals, CrossTraffic
from quicmatrix.runner.network.cross_traffic.tun import Tun, new_namespace
from quicmatrix.runner.network.topology import TCP_RECEIVER, TCP_RECEIVER_PORT, TCP_SENDER

CONGESTION_CONTROL = b"cubic"

_TCP_NOTSENT_LOWAT = 25
_UNSENT_BYTES = 128 * 1024
"""Limit of unsent bytes in the sender's socket: enough that TCP always has data to send."""
_CHUNK = bytes(64 * 1024)
_LARGEST_READ = 1 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class TcpFlow:
    """Owns both hosts and their sockets.

    The middlebox forwards the packets of :attr:`sender` and :attr:`receiver`.
    """

    def __init__(self, client_port_mac: bytes, server_port_mac: bytes) -> None:
        """Create the hosts; nothing is sent yet.

        Args:
            client_port_mac: Of the middlebox's interface on the client's side.
            server_port_mac: Of that on the server's side.

        Raises:
            OSError: The machine refuses what is needed.
        """
        self._arrivals: Arrivals | None = None
        self._buffer = bytearray(_LARGEST_READ)
        with ExitStack() as stack:
            with new_namespace():
                self.receiver = stack.enter_context(Tun(TCP_RECEIVER, client_port_mac))
                self._listener = stack.enter_context(
                    socket.create_server((TCP_RECEIVER.ipv4, TCP_RECEIVER_PORT))
                )
            with new_namespace():
                self.sender = stack.enter_context(Tun(TCP_SENDER, server_port_mac))
                self._sending = stack.enter_context(
                    socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                )
            for one in (self._listener, self._sending):
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            _use_cubic(self._sending)
            self._sending.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
            self._stack = stack.pop_all()

    def start(self, selector: selectors.BaseSelector) -> None:
        """Connect, and send from then on, whenever the selector's callbacks are called."""
        self._arrivals = Arrivals(time.monotonic_ns())
        selector.register(self._listener, selectors.EVENT_READ, lambda: self._accept(selector))
        selector.register(self._sending, selectors.EVENT_WRITE, self._send)
        self._sending.connect_ex((TCP_RECEIVER.ipv4, TCP_RECEIVER_PORT))

    def summary(self, now_ns: int, epoch_ns: int) -> CrossTraffic | None:
        """Its goodput until now; None if it was never started."""
        return self._arrivals.summary(now_ns, epoch_ns) if self._arrivals else None

    def _accept(self, selector: selectors.BaseSelector) -> None:
        connection, _ = self._listener.accept()
        self._stack.enter_context(connection)
        connection.setblocking(False)
        selector.unregister(self._listener)
        selector.register(connection, selectors.EVENT_READ, self._receiving(connection))

    def _receiving(self, connection: socket.socket) -> Callable[[], None]:
        def receive() -> None:
            assert self._arrivals is not None, "it was started"
            # MSG_TRUNC: the kernel discards the bytes without copying them.
            count = connection.recv_into(self._buffer, 0, socket.MSG_TRUNC)
            self._arrivals.add(time.monotonic_ns(), count)

        return receive

    def _send(self) -> None:
        self._sending.send(_CHUNK)

    def close(self) -> None:
        """Reset the connection and remove both hosts."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _use_cubic(sending: socket.socket) -> None:
    try:
        sending.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION_CONTROL)
    except FileNotFoundError as error:
        raise OSError(error.errno, "this kernel has no CUBIC (modprobe tcp_cubic)") from error
