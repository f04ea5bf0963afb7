"""Who is ready: the server, when it answers a probe; and the sim, which opens a port to say so."""

from __future__ import annotations

import socket
import time
from functools import partial
from selectors import EVENT_READ, BaseSelector
from typing import Protocol

from quicmatrix.runner.network.middlebox.probe import Probe
from quicmatrix.runner.network.topology import SIM_READY_PORT


class Report(Protocol):
    """Hears whether the server is ready, and how long it took to know."""

    def __call__(self, *, ready: bool, after_ns: int) -> None:
        """It is known now."""


class ServerWatch:
    """Probes the server until it answers or its time is over, and says so once."""

    def __init__(
        self,
        probe: Probe,
        timeout_ns: int,
        selector: BaseSelector,
        report: Report,
    ) -> None:
        """Begin.

        Args:
            probe: What asks; closed at the end.
            timeout_ns: How long to ask.
            selector: What calls back when there is an answer.
            report: What is told how it ended.
        """
        self._probe = probe
        self._began_ns = probe.next_ns
        self._ends_ns = probe.next_ns + timeout_ns
        self._selector = selector
        self._report = report
        self._over = False
        for asked in probe.sockets:
            selector.register(asked, EVENT_READ, partial(self._check_answer, asked))

    @property
    def next_ns(self) -> int | None:
        """When to call :meth:`tick`; None: never."""
        return None if self._over else min(self._probe.next_ns, self._ends_ns)

    def tick(self, now_ns: int) -> None:
        """Ask if it is time to; give up if it is too late."""
        if self._over:
            return
        if now_ns >= self._ends_ns:
            self._end(now_ns, ready=False)
        elif now_ns >= self._probe.next_ns:
            self._probe.ask(now_ns)

    def close(self) -> None:
        """Ask no more."""
        if not self._over:
            self._over = True
            for asked in self._probe.sockets:
                self._selector.unregister(asked)
            self._probe.close()

    def _check_answer(self, asked: socket.socket) -> None:
        now_ns = time.monotonic_ns()
        if self._probe.answered(asked, now_ns):
            self._end(now_ns, ready=True)

    def _end(self, now_ns: int, *, ready: bool) -> None:
        self.close()
        self._report(ready=ready, after_ns=now_ns - self._began_ns)


def ready_listener() -> socket.socket:
    """The port that client images wait for, on all addresses."""
    if socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("::", SIM_READY_PORT), family=socket.AF_INET6, dualstack_ipv6=True
        )
    else:
        listener = socket.create_server(("", SIM_READY_PORT))
    listener.setblocking(False)
    return listener


def turn_away(listener: socket.socket) -> None:
    """Accept a connection: that is all a client image waits for."""
    try:
        connection, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return
    connection.close()
