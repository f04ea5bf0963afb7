"""The event loop between the two sides: receive, decide, wait, send and record.

All decisions are :mod:`quicmatrix.runner.network.middlebox.forwarding`'s. They depend on the
kernel's time stamps, so a late wake-up delays a delivery, which is measured, but never changes what
the queue does.
"""

from __future__ import annotations

import time
from functools import partial
from heapq import heappop, heappush
from selectors import EVENT_READ, BaseSelector

from quicmatrix.runner.network.impairments.fate import Dropped
from quicmatrix.runner.network.middlebox.forwarding import Delivery, Network
from quicmatrix.runner.network.middlebox.forwarding_path import ForwardingPath, PacketInterface
from quicmatrix.runner.network.middlebox.port import Received
from quicmatrix.runner.network.readiness.server_watch import ServerWatch
from quicmatrix.runner.network.recording.recorder import Recorder, Sent

_DRAIN_NS = 5_000_000_000
"""How long packets in flight may take to arrive after the end."""
_UNLIMITED = 1 << 20

STILL_IN_FLIGHT = Dropped("still in flight at the end")

_InFlight = tuple[int, int, PacketInterface, Sent, Delivery, bool]
"""When it is due, a serial number to keep ties in order, and what delivering it takes."""


class Loop:
    """Forwards packets in both directions, and calls back what else the selector watches."""

    def __init__(
        self,
        paths: tuple[ForwardingPath, ForwardingPath],
        network: Network,
        recorder: Recorder,
        selector: BaseSelector,
    ) -> None:
        """Register all ingress interfaces.

        Args:
            paths: Both directions.
            network: Decides about each packet.
            recorder: Records what was done with it.
            selector: Its keys' data are called when they are ready.
        """
        self._paths = paths
        self._network = network
        self._recorder = recorder
        self._selector = selector
        self._in_flight: list[_InFlight] = []
        self._serial = 0
        self._watch: ServerWatch | None = None
        self._stopped_ns: int | None = None
        for path in paths:
            for interface in path.ingress:
                selector.register(interface, EVENT_READ, partial(self._receive, path))

    def run(self, watch: ServerWatch | None) -> int:
        """Until :meth:`stop`, and then until nothing is in flight; returns when it was stopped."""
        self._watch = watch
        while True:
            now_ns = self._deliver()
            if self._stopped_ns is not None:
                if now_ns >= self._stopped_ns + _DRAIN_NS:
                    self._drop_in_flight()
                if not self._in_flight:
                    return self._stopped_ns
            elif watch is not None:
                watch.tick(now_ns)
            for key, _ in self._selector.select(self._timeout_s(now_ns)):
                if key.fd in self._selector.get_map():  # an earlier callback may unregister it
                    key.data()

    def stop(self) -> None:
        """Forward what has arrived until now, and nothing more."""
        self._stopped_ns = time.monotonic_ns()
        if self._watch is not None:
            self._watch.close()
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
        for path in self._paths:
            for received in path.receive(_UNLIMITED):
                if received.time_ns > self._stopped_ns:
                    break
                self._forward(path, received)

    def _receive(self, path: ForwardingPath) -> None:
        for received in path.receive():
            self._forward(path, received)

    def _forward(self, path: ForwardingPath, received: Received) -> None:
        time_ns, frame, headers, original_length = received
        number, waiting, fate = self._network.forward(path.direction, time_ns, frame, headers)
        sent = Sent(path.direction, number, time_ns, frame, original_length, headers, waiting)
        if isinstance(fate, Dropped):
            self._recorder.dropped(sent, fate)
            return
        egress = path.egress(headers.destination)
        duplicate = False
        for delivery in fate:
            self._serial += 1
            heappush(
                self._in_flight,
                (delivery.due_ns, self._serial, egress, sent, delivery, duplicate),
            )
            duplicate = True

    def _deliver(self) -> int:
        """Send all that is due; returns the time."""
        in_flight = self._in_flight
        while True:
            now_ns = time.monotonic_ns()
            if not in_flight or in_flight[0][0] > now_ns:
                return now_ns
            due_ns, _, egress, sent, delivery, duplicate = heappop(in_flight)
            frame = egress.readdressed(delivery.frame or sent.frame)
            # Read before it is sent: the answer must not seem older than what it answers.
            now_ns = time.monotonic_ns()
            refusal = egress.send(frame)
            if refusal:
                self._recorder.dropped(sent, Dropped(refusal))
            else:
                self._recorder.delivered(
                    sent, due_ns, now_ns, frame, delivery.change, duplicate=duplicate
                )

    def _drop_in_flight(self) -> None:
        while self._in_flight:
            _, _, _, sent, _, duplicate = heappop(self._in_flight)
            if not duplicate:
                self._recorder.dropped(sent, STILL_IN_FLIGHT)

    def _timeout_s(self, now_ns: int) -> float | None:
        """The time until something is due; None: only an event can end the wait."""
        deadlines = [self._in_flight[0][0]] if self._in_flight else []
        if self._stopped_ns is not None:
            deadlines.append(self._stopped_ns + _DRAIN_NS)
        elif self._watch is not None and self._watch.next_ns is not None:
            deadlines.append(self._watch.next_ns)
        return max(0, min(deadlines) - now_ns) / 1e9 if deadlines else None
