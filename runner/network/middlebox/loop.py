"""The loop between two sides: receive, decide, wait, send, and tell the journal.

All decisions are :mod:`quicmatrix.runner.network.middlebox.forwarding`'s. The kernel's time stamps
feed it, so a late wake-up delays a delivery, which is measured, but never changes what the queue
does.
"""

from __future__ import annotations

import time
from functools import partial
from heapq import heappop, heappush
from selectors import EVENT_READ, BaseSelector

from quicmatrix.runner.network.impairments.fate import Dropped
from quicmatrix.runner.network.middlebox.direction import End, Lane
from quicmatrix.runner.network.middlebox.forwarding import Delivery, Network
from quicmatrix.runner.network.middlebox.port import Received
from quicmatrix.runner.network.middlebox.readiness import ServerWatch
from quicmatrix.runner.network.middlebox.recorder import Journal, Sent

_DRAIN_NS = 5_000_000_000
"""How long packets in flight may take to arrive after the end."""
_EVERYTHING = 1 << 20

STILL_IN_FLIGHT = Dropped("still in flight at the end")

_InFlight = tuple[int, int, End, Sent, Delivery, bool]
"""When it is due, a serial number to keep ties in order, and what delivering it takes."""


class Loop:
    """Carries packets along two lanes, and calls back what else the selector watches."""

    def __init__(
        self, lanes: tuple[Lane, Lane], network: Network, journal: Journal, selector: BaseSelector
    ) -> None:
        """Begin to watch the lanes.

        Args:
            lanes: Both directions.
            network: What decides.
            journal: What is told.
            selector: Its keys' data are called when they are ready.
        """
        self._lanes = lanes
        self._network = network
        self._journal = journal
        self._selector = selector
        self._in_flight: list[_InFlight] = []
        self._serial = 0
        self._watch: ServerWatch | None = None
        self._stopped_ns: int | None = None
        for lane in lanes:
            for entry in lane.entries:
                selector.register(entry, EVENT_READ, partial(self._receive, lane))

    def run(self, watch: ServerWatch | None) -> int:
        """Until :meth:`stop`, and then until nothing is in flight; returns when it was stopped."""
        self._watch = watch
        while True:
            now_ns = self._deliver()
            if self._stopped_ns is not None:
                if now_ns >= self._stopped_ns + _DRAIN_NS:
                    self._give_up()
                if not self._in_flight:
                    return self._stopped_ns
            elif watch is not None:
                watch.tick(now_ns)
            for key, _ in self._selector.select(self._pause_s(now_ns)):
                if key.fd in self._selector.get_map():  # an earlier one may have ended it
                    key.data()

    def stop(self) -> None:
        """Take what has arrived until now, and nothing more."""
        self._stopped_ns = time.monotonic_ns()
        if self._watch is not None:
            self._watch.close()
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
        for lane in self._lanes:
            for received in lane.receive(_EVERYTHING):
                if received.time_ns > self._stopped_ns:
                    break
                self._cross(lane, received)

    def _receive(self, lane: Lane) -> None:
        for received in lane.receive():
            self._cross(lane, received)

    def _cross(self, lane: Lane, received: Received) -> None:
        time_ns, frame, headers, original_length = received
        number, waiting, fate = self._network.cross(lane.direction, time_ns, frame, headers)
        sent = Sent(lane.direction, number, time_ns, frame, original_length, headers, waiting)
        if isinstance(fate, Dropped):
            self._journal.not_delivered(sent, fate)
            return
        end = lane.exit(headers.destination)
        again = False
        for delivery in fate:
            self._serial += 1
            heappush(self._in_flight, (delivery.due_ns, self._serial, end, sent, delivery, again))
            again = True

    def _deliver(self) -> int:
        """Send all that is due; returns the time."""
        in_flight = self._in_flight
        while True:
            now_ns = time.monotonic_ns()
            if not in_flight or in_flight[0][0] > now_ns:
                return now_ns
            due_ns, _, end, sent, delivery, again = heappop(in_flight)
            frame = end.readdressed(delivery.frame or sent.frame)
            # Taken before it is sent: the answer must not seem older than what it answers.
            now_ns = time.monotonic_ns()
            refusal = end.send(frame)
            if refusal:
                self._journal.not_delivered(sent, Dropped(refusal))
            else:
                self._journal.delivered(sent, due_ns, now_ns, frame, delivery.change, again=again)

    def _give_up(self) -> None:
        while self._in_flight:
            _, _, _, sent, _, again = heappop(self._in_flight)
            if not again:
                self._journal.not_delivered(sent, STILL_IN_FLIGHT)

    def _pause_s(self, now_ns: int) -> float | None:
        """How long nothing will be due; None: until something arrives."""
        deadlines = [self._in_flight[0][0]] if self._in_flight else []
        if self._stopped_ns is not None:
            deadlines.append(self._stopped_ns + _DRAIN_NS)
        elif self._watch is not None and self._watch.next_ns is not None:
            deadlines.append(self._watch.next_ns)
        return max(0, min(deadlines) - now_ns) / 1e9 if deadlines else None
