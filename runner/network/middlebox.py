"""The loop between two interfaces: receive, decide, wait, send, and tell the journal.

All decisions are :mod:`runner.network.crossing`'s. The kernel's time stamps feed it, so a late
wake-up delays a delivery, which is measured, but never changes what the queue does.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from heapq import heappop, heappush
from ipaddress import ip_address, ip_network
from pathlib import Path

from runner.network.crossing import Delivery, Network
from runner.network.events import Control
from runner.network.fate import Direction, Dropped
from runner.network.frame import mac_bytes
from runner.network.journal import Journal, Sent
from runner.network.port import Port, Received
from runner.network.probe import Probe
from runner.network.scenario import Scenario
from runner.network.topology import (
    CLIENT,
    CLIENT_NETWORKS,
    SERVER,
    SERVER_NETWORKS,
    SERVER_PORT,
    SIM_LEFT,
    SIM_READY_PORT,
    SIM_RIGHT,
)

_DRAIN_NS = 5_000_000_000
"""How long packets in flight may take to arrive after the end."""
_EVERYTHING = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What to be between which interfaces."""

    left: str
    """The interface on the client's side."""
    right: str
    """The interface on the server's side."""
    scenario: Scenario
    scenario_text: str
    seed: int
    capture_dir: Path
    capture_limit: int
    """Bytes, of each capture."""
    client_mac: str = CLIENT.mac
    server_mac: str = SERVER.mac
    probes_server: bool = False
    probe_timeout_s: float = 10.0


def run(settings: Settings, control: Control) -> None:
    """Be the middlebox until whoever started it says that it is over, or a signal does.

    Raises:
        OSError: The machine refuses what is needed.
    """
    with ExitStack() as stack:
        wakeup = stack.enter_context(_signals())
        left = stack.enter_context(Port(settings.left, mac_bytes(settings.client_mac)))
        right = stack.enter_context(Port(settings.right, mac_bytes(settings.server_mac)))
        # Closed before the ports are, so that the end is reported with what closing found out.
        comment = f"scenario: {settings.scenario_text}\nseed: {settings.seed}"
        epoch_ns = time.time_ns() - time.monotonic_ns()
        journal = stack.enter_context(
            Journal(settings.capture_dir, comment, settings.capture_limit, epoch_ns)
        )
        listener = stack.enter_context(_ready_listener())
        control.emit("capturing", {})
        addresses = (SERVER.ipv4, SERVER.ipv6) if settings.probes_server else ()
        probe = stack.enter_context(Probe(addresses, SERVER_PORT, time.monotonic_ns()))
        box = _Middlebox(settings, control, (left, right), journal)
        box.watch(control, box.check_control)
        box.watch(wakeup, box.stop)
        box.watch(listener, partial(_turn_away, listener))
        if settings.probes_server:
            box.start_probe(probe)
        box.loop()
        journal.close()
        control.emit(
            "finished",
            {
                "forwarded": {str(way): count for way, count in journal.forwarded.items()},
                "dropped": journal.dropped,
                "lateness_ms": asdict(journal.lateness.summary()),
                "kernel_drops": left.dropped() + right.dropped(),
                "truncated": journal.truncated,
            },
        )


@dataclass(frozen=True, slots=True)
class _Lane:
    """One direction: where packets come in, which of them may cross, and where they go out."""

    direction: Direction
    entry: Port
    exit: Port
    prefixes: frozenset[bytes]
    """Of the far side's networks."""

    def leads_to(self, destination: bytes) -> bool:
        """Whether that address is on the far side, and not the middlebox's own.

        So nothing of the middlebox's own traffic crosses, and no multicast or link-local packet,
        which ARP's successor and its relatives are made of.
        """
        prefix = destination[:3] if len(destination) == 4 else destination[:8]
        return prefix in self.prefixes and destination not in _OWN_ADDRESSES


_OWN_ADDRESSES = frozenset(
    ip_address(address).packed
    for interface in (SIM_LEFT, SIM_RIGHT)
    for address in (interface.ipv4, interface.ipv6)
)


def _prefixes(networks: tuple[str, ...]) -> frozenset[bytes]:
    parsed = [ip_network(network) for network in networks]
    return frozenset(one.network_address.packed[: one.prefixlen // 8] for one in parsed)


_InFlight = tuple[int, int, _Lane, Sent, Delivery, bool]
"""When it is due, a serial number to keep ties in order, and what delivering it takes."""


class _Middlebox:
    def __init__(
        self, settings: Settings, control: Control, ports: tuple[Port, Port], journal: Journal
    ) -> None:
        left, right = ports
        self._lanes = (
            _Lane(Direction.TO_SERVER, left, right, _prefixes(SERVER_NETWORKS)),
            _Lane(Direction.TO_CLIENT, right, left, _prefixes(CLIENT_NETWORKS)),
        )
        self._network = Network(settings.scenario, settings.seed)
        self._control = control
        self._journal = journal
        self._in_flight: list[_InFlight] = []
        self._serial = 0
        self._handlers: dict[int, Callable[[], None]] = {}
        self._probe: Probe | None = None
        self._probe_began_ns = 0
        self._probe_timeout_ns = int(settings.probe_timeout_s * 1e9)
        self._stopped_ns: int | None = None
        for lane in self._lanes:
            self._handlers[lane.entry.fileno()] = partial(self._receive, lane)

    def watch(self, source: Control | Port | socket.socket, handler: Callable[[], None]) -> None:
        """Call the handler whenever there is something to read."""
        self._handlers[source.fileno()] = handler

    def loop(self) -> None:
        """Until :meth:`stop`, and then until nothing is in flight."""
        while True:
            now_ns = self._deliver()
            if self._stopped_ns is not None:
                if now_ns >= self._stopped_ns + _DRAIN_NS:
                    self._give_up()
                if not self._in_flight:
                    return
            if self._probe is not None:
                self._tick_probe(self._probe, now_ns)
            readable, _, _ = select.select(list(self._handlers), (), (), self._pause_s(now_ns))
            for ready in readable:
                if ready in self._handlers:
                    self._handlers[ready]()

    # --- Packets ---

    def _receive(self, lane: _Lane) -> None:
        for received in lane.entry.receive():
            self._cross(lane, received)

    def _cross(self, lane: _Lane, received: Received) -> None:
        time_ns, frame, headers, original_length = received
        if not lane.leads_to(headers.destination):
            return
        number, fate = self._network.cross(lane.direction, time_ns, frame, headers)
        sent = Sent(lane.direction, number, time_ns, frame, original_length)
        if isinstance(fate, Dropped):
            self._journal.not_delivered(sent, fate.reason)
            return
        again = False
        for delivery in fate:
            self._serial += 1
            entry = (delivery.due_ns, self._serial, lane, sent, delivery, again)
            heappush(self._in_flight, entry)
            again = True

    def _deliver(self) -> int:
        """Send all that is due; returns the time."""
        in_flight = self._in_flight
        while True:
            now_ns = time.monotonic_ns()
            if not in_flight or in_flight[0][0] > now_ns:
                return now_ns
            due_ns, _, lane, sent, delivery, again = heappop(in_flight)
            if delivery.packet is None:
                frame = lane.exit.readdressed(sent.frame)
            else:
                frame = lane.exit.readdressed(sent.frame[:14] + delivery.packet)
            # Taken before it is sent: the answer must not seem older than what it answers.
            now_ns = time.monotonic_ns()
            refusal = lane.exit.send(frame)
            if refusal:
                self._journal.not_delivered(sent, refusal)
            else:
                self._journal.delivered(sent, due_ns, now_ns, frame, delivery.change, again=again)

    # --- The end ---

    def check_control(self) -> None:
        """Stop if whoever started it says so."""
        if self._control.over():
            self.stop()

    def stop(self) -> None:
        """Take what has arrived until now, and nothing more."""
        self._stopped_ns = time.monotonic_ns()
        self._handlers.clear()
        self._probe = None
        for lane in self._lanes:
            for received in lane.entry.receive(_EVERYTHING):
                if received.time_ns > self._stopped_ns:
                    break
                self._cross(lane, received)

    def _give_up(self) -> None:
        while self._in_flight:
            _, _, _, sent, _, again = heappop(self._in_flight)
            if not again:
                self._journal.not_delivered(sent, "still in flight at the end")

    # --- The server's readiness ---

    def start_probe(self, probe: Probe) -> None:
        """Ask the server until it answers."""
        self._probe = probe
        self._probe_began_ns = probe.next_ns
        for asked in probe.sockets:
            self.watch(asked, partial(self._check_answer, probe, asked))

    def _tick_probe(self, probe: Probe, now_ns: int) -> None:
        if now_ns - self._probe_began_ns >= self._probe_timeout_ns:
            self._end_probe(probe, "server-silent", now_ns)
        elif now_ns >= probe.next_ns:
            probe.ask(now_ns)

    def _check_answer(self, probe: Probe, asked: socket.socket) -> None:
        now_ns = time.monotonic_ns()
        if self._probe is not None and probe.answered(asked, now_ns):
            self._end_probe(probe, "server-ready", now_ns)

    def _end_probe(self, probe: Probe, event: str, now_ns: int) -> None:
        self._probe = None
        for asked in probe.sockets:
            del self._handlers[asked.fileno()]
        probe.close()
        self._control.emit(event, {"after_s": round((now_ns - self._probe_began_ns) / 1e9, 3)})

    def _pause_s(self, now_ns: int) -> float | None:
        """How long nothing will be due; None: until something arrives."""
        deadlines = [self._in_flight[0][0]] if self._in_flight else []
        if self._stopped_ns is not None:
            deadlines.append(self._stopped_ns + _DRAIN_NS)
        if self._probe is not None:
            timeout_ns = self._probe_began_ns + self._probe_timeout_ns
            deadlines.append(min(self._probe.next_ns, timeout_ns))
        return max(0, min(deadlines) - now_ns) / 1e9 if deadlines else None


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that can be read once SIGTERM or SIGINT has come."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    with reading, writing:
        signal.set_wakeup_fd(writing.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        yield reading


def _ready_listener() -> socket.socket:
    """The port that client images wait for, on all addresses."""
    if socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("::", SIM_READY_PORT), family=socket.AF_INET6, dualstack_ipv6=True
        )
    else:
        listener = socket.create_server(("", SIM_READY_PORT))
    listener.setblocking(False)
    return listener


def _turn_away(listener: socket.socket) -> None:
    """Accept a connection: that is all a client image waits for."""
    try:
        connection, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return
    connection.close()
