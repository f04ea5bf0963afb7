"""The middlebox: all that it consists of, put together, and its word at the end."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from selectors import EVENT_READ, BaseSelector, SelectSelector
from typing import TYPE_CHECKING

from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.middlebox.direction import End, Lane
from quicmatrix.runner.network.middlebox.events import Control
from quicmatrix.runner.network.middlebox.forwarding import Network
from quicmatrix.runner.network.middlebox.frame import mac_bytes
from quicmatrix.runner.network.middlebox.loop import Loop
from quicmatrix.runner.network.middlebox.port import Port
from quicmatrix.runner.network.middlebox.probe import Probe
from quicmatrix.runner.network.middlebox.readiness import ServerWatch, ready_listener, turn_away
from quicmatrix.runner.network.middlebox.recorder import Journal
from quicmatrix.runner.network.scenarios.scenario import Scenario
from quicmatrix.runner.network.topology import (
    CLIENT,
    CLIENT_NETWORKS,
    SERVER,
    SERVER_NETWORKS,
    SERVER_PORT,
    TCP_RECEIVER,
    TCP_SENDER,
    Interface,
)

if TYPE_CHECKING:
    from quicmatrix.runner.network.middlebox.tcp_flow import TcpFlow


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
    """Bytes, of each capture and of the link log."""
    client_mac: str = CLIENT.mac
    server_mac: str = SERVER.mac
    probes_server: bool = False
    probe_timeout_s: float = 10.0


def run(settings: Settings, control: Control) -> None:
    """Be the middlebox until whoever started it says that it is over, or a signal does.

    Raises:
        OSError: The machine refuses what is needed.
    """
    began_ns = time.monotonic_ns()
    epoch_ns = time.time_ns() - began_ns
    with ExitStack() as stack:
        wakeup = stack.enter_context(_signals())
        left = stack.enter_context(Port(settings.left, mac_bytes(settings.client_mac)))
        right = stack.enter_context(Port(settings.right, mac_bytes(settings.server_mac)))
        flow = stack.enter_context(_tcp_flow(left, right)) if settings.scenario.tcp_flow else None
        journal = stack.enter_context(_journal(settings, epoch_ns, began_ns))
        listener = stack.enter_context(ready_listener())
        selector = stack.enter_context(SelectSelector())  # epoll counts in whole milliseconds
        network = Network(settings.scenario, settings.seed)
        loop = Loop(_lanes(left, right, flow), network, journal, selector)
        selector.register(control, EVENT_READ, partial(_check_control, control, loop))
        selector.register(wakeup, EVENT_READ, loop.stop)
        selector.register(listener, EVENT_READ, partial(turn_away, listener))
        control.emit("capturing", {})
        watch = None
        if settings.probes_server:
            watch = stack.enter_context(closing(_server_watch(settings, control, selector, flow)))
        elif flow is not None:
            flow.start(selector)
        stopped_ns = loop.run(watch)
        journal.close()
        traffic = flow.summary(stopped_ns, epoch_ns) if flow is not None else None
        control.emit(
            "finished",
            {
                "forwarded": {str(way): count for way, count in journal.forwarded.items()},
                "dropped": journal.dropped,
                "lateness_ms": asdict(journal.lateness.summary()),
                "kernel_drops": left.dropped() + right.dropped(),
                "truncated": journal.truncated,
                "cross_traffic": asdict(traffic) if traffic is not None else None,
            },
        )


def _tcp_flow(left: Port, right: Port) -> TcpFlow:
    # One scenario needs it, and what it imports would make the start of all others slower.
    from quicmatrix.runner.network.middlebox.tcp_flow import TcpFlow  # noqa: PLC0415

    return TcpFlow(left.own_mac, right.own_mac)


def _journal(settings: Settings, epoch_ns: int, began_ns: int) -> Journal:
    return Journal(
        settings.capture_dir,
        settings.scenario_text,
        settings.seed,
        limit_bytes=settings.capture_limit,
        epoch_ns=epoch_ns,
        began_ns=began_ns,
    )


def _lanes(left: Port, right: Port, flow: TcpFlow | None) -> tuple[Lane, Lane]:
    """Both directions; the flow's hosts stand beside the client and the server."""
    to_server: tuple[End, ...] = (left,)
    to_client: tuple[End, ...] = (right,)
    hosts: dict[bytes, End] = {}
    if flow is not None:
        to_server, to_client = (left, flow.receiver), (right, flow.sender)
        hosts = {_ipv4(TCP_RECEIVER): flow.receiver, _ipv4(TCP_SENDER): flow.sender}
    return (
        Lane(Direction.TO_SERVER, to_server, right, SERVER_NETWORKS, hosts),
        Lane(Direction.TO_CLIENT, to_client, left, CLIENT_NETWORKS, hosts),
    )


def _ipv4(interface: Interface) -> bytes:
    return ip_address(interface.ipv4).packed


def _server_watch(
    settings: Settings, control: Control, selector: BaseSelector, flow: TcpFlow | None
) -> ServerWatch:
    """Asks the server whether it is ready; when it is, the client and the flow may start."""

    def report(*, ready: bool, after_ns: int) -> None:
        event = "server-ready" if ready else "server-silent"
        control.emit(event, {"after_s": round(after_ns / 1e9, 3)})
        if ready and flow is not None:
            flow.start(selector)

    probe = Probe((SERVER.ipv4, SERVER.ipv6), SERVER_PORT, time.monotonic_ns())
    return ServerWatch(probe, int(settings.probe_timeout_s * 1e9), selector, report)


def _check_control(control: Control, loop: Loop) -> None:
    """Stop if whoever started it says so."""
    if control.over():
        loop.stop()


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
