"""Probes the server until it answers or a timeout is reached, driven by the middlebox's loop."""

from __future__ import annotations

import socket
import time
from functools import partial
from selectors import EVENT_READ, BaseSelector
from typing import Protocol

from quicmatrix.runner.network.readiness.probe import Probe


class Report(Protocol):
    """Called with the result."""

    def __call__(self, *, ready: bool, after_ns: int) -> None:
        """Whether the server is ready, and how long it took to determine that."""


class ServerWatch:
    """Probes the server and reports once whether it answered in time."""

    def __init__(
        self,
        probe: Probe,
        timeout_ns: int,
        selector: BaseSelector,
        report: Report,
    ) -> None:
        """Register the probe's sockets.

        Args:
            probe: Sends the probes; closed at the end.
            timeout_ns: How long to probe.
            selector: Its keys' data are called when there is an answer.
            report: Called with the result.
        """
        self._probe = probe
        self._began_ns = probe.next_ns
        self._ends_ns = probe.next_ns + timeout_ns
        self._selector = selector
        self._report = report
        self._ended = False
        for probing in probe.sockets:
            selector.register(probing, EVENT_READ, partial(self._check_answer, probing))

    @property
    def next_ns(self) -> int | None:
        """When to call :meth:`tick`; None: never."""
        return None if self._ended else min(self._probe.next_ns, self._ends_ns)

    def tick(self, now_ns: int) -> None:
        """Send a probe if one is due; report failure if the time is up."""
        if self._ended:
            return
        if now_ns >= self._ends_ns:
            self._end(now_ns, ready=False)
        elif now_ns >= self._probe.next_ns:
            self._probe.send(now_ns)

    def close(self) -> None:
        """Stop probing."""
        if not self._ended:
            self._ended = True
            for probing in self._probe.sockets:
                self._selector.unregister(probing)
            self._probe.close()

    def _check_answer(self, probing: socket.socket) -> None:
        now_ns = time.monotonic_ns()
        if self._probe.answered(probing, now_ns):
            self._end(now_ns, ready=True)

    def _end(self, now_ns: int, *, ready: bool) -> None:
        self.close()
        self._report(ready=ready, after_ns=now_ns - self._began_ns)
