"""The probe that a ready QUIC server answers.

A packet with an unknown version makes a server that listens send a Version Negotiation (RFC 9000,
6.1). This is quic-interop-runner's probe: version 0x57414954 ("WAIT"), empty connection IDs, 1207
bytes, twice a second. It comes from the middlebox's own address, so it is not part of the traffic.
"""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from quicmatrix.runner.network.middlebox.version_negotiation import is_version_negotiation

PROBE = b"\xc0" + b"WAIT" + b"\0\0" + bytes(1200)
INTERVAL_NS = 500_000_000
INTERVAL_AFTER_REFUSAL_NS = 100_000_000
"""Shorter where the port is closed: a probe costs nothing there, and every attempt waits for it."""


class Probe:
    """Sends probes to all of the server's addresses and recognises the answer."""

    def __init__(self, addresses: tuple[str, ...], port: int, now_ns: int) -> None:
        self.next_ns = now_ns
        """When the next probe is due."""
        self._sockets = [
            opened for address in addresses if (opened := _connected(address, port)) is not None
        ]

    @property
    def sockets(self) -> list[socket.socket]:
        """For select()."""
        return self._sockets

    def send(self, now_ns: int) -> None:
        """Send the probe to all addresses."""
        self.next_ns = now_ns + INTERVAL_NS
        for connected in self._sockets:
            try:
                connected.send(PROBE)
            except OSError:
                # An earlier probe was refused, or there is no route: another address may answer.
                self._refused(now_ns)

    def answered(self, connected: socket.socket, now_ns: int) -> bool:
        """Whether what can be read there is a Version Negotiation."""
        try:
            return is_version_negotiation(connected.recv(2048))
        except BlockingIOError:
            return False
        except OSError:
            self._refused(now_ns)
            return False

    def _refused(self, now_ns: int) -> None:
        self.next_ns = min(self.next_ns, now_ns + INTERVAL_AFTER_REFUSAL_NS)

    def close(self) -> None:
        """Close all sockets."""
        for connected in self._sockets:
            connected.close()
        self._sockets = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _connected(address: str, port: int) -> socket.socket | None:
    """A UDP socket to that address; None if there is no route to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError:  # IPv6 is switched off
        return None
    try:
        opened.connect((address, port))
    except OSError:
        opened.close()
        return None
    return opened
