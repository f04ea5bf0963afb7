"""The middlebox as a whole: opens its interfaces and files, runs its loop, reports a summary."""

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
from quicmatrix.runner.network.middlebox.events import Control
from quicmatrix.runner.network.middlebox.forwarding import Network
from quicmatrix.runner.network.middlebox.forwarding_path import ForwardingPath, PacketInterface
from quicmatrix.runner.network.middlebox.frame import mac_bytes
from quicmatrix.runner.network.middlebox.loop import Loop
from quicmatrix.runner.network.middlebox.port import Port
from quicmatrix.runner.network.readiness.probe import Probe
from quicmatrix.runner.network.readiness.ready_port import accept_and_close, ready_listener
from quicmatrix.runner.network.readiness.server_watch import ServerWatch
from quicmatrix.runner.network.recording.recorder import Recorder
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
    from quicmatrix.runner.network.cross_traffic.tcp_flow import TcpFlow


@dataclass(frozen=True, slots=True)
class Settings:
    """The scenario to play, between which interfaces, and what to record of it."""

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
    """Forward and record packets until the control connection or a signal asks to stop.

    Raises:
        OSError: The machine refuses what is needed.
    """
    began_ns = time.monotonic_ns()
    epoch_ns = time.time_ns() - began_ns
    with ExitStack() as stack:
        stop_signal = stack.enter_context(_stop_signals())
        left = stack.enter_context(Port(settings.left, mac_bytes(settings.client_mac)))
        right = stack.enter_context(Port(settings.right, mac_bytes(settings.server_mac)))
        flow = stack.enter_context(_tcp_flow(left, right)) if settings.scenario.tcp_flow else None
        recorder = stack.enter_context(_recorder(settings, epoch_ns, began_ns))
        listener = stack.enter_context(ready_listener())
        selector = stack.enter_context(SelectSelector())  # epoll counts in whole milliseconds
        network = Network(settings.scenario, settings.seed)
        loop = Loop(_paths(left, right, flow), network, recorder, selector)
        selector.register(control, EVENT_READ, partial(_stop_if_requested, control, loop))
        selector.register(stop_signal, EVENT_READ, loop.stop)
        selector.register(listener, EVENT_READ, partial(accept_and_close, listener))
        control.emit("capturing", {})
        watch = None
        if settings.probes_server:
            watch = stack.enter_context(closing(_server_watch(settings, control, selector, flow)))
        elif flow is not None:
            flow.start(selector)
        stopped_ns = loop.run(watch)
        recorder.close()
        traffic = flow.summary(stopped_ns, epoch_ns) if flow is not None else None
        control.emit(
            "finished",
            {
                "forwarded": {str(way): count for way, count in recorder.forwarded.items()},
                "dropped": recorder.drops,
                "lateness_ms": asdict(recorder.lateness.summary()),
                "kernel_drops": left.dropped() + right.dropped(),
                "truncated": recorder.truncated,
                "cross_traffic": asdict(traffic) if traffic is not None else None,
            },
        )


def _tcp_flow(left: Port, right: Port) -> TcpFlow:
    # Only one scenario needs it, and its imports would slow down the start of all others.
    from quicmatrix.runner.network.cross_traffic.tcp_flow import TcpFlow  # noqa: PLC0415

    return TcpFlow(left.own_mac, right.own_mac)


def _recorder(settings: Settings, epoch_ns: int, began_ns: int) -> Recorder:
    return Recorder(
        settings.capture_dir,
        settings.scenario_text,
        settings.seed,
        limit_bytes=settings.capture_limit,
        epoch_ns=epoch_ns,
        began_ns=began_ns,
    )


def _paths(left: Port, right: Port, flow: TcpFlow | None) -> tuple[ForwardingPath, ForwardingPath]:
    """Both directions; the TCP flow's hosts are on the networks of the client and the server."""
    to_server: tuple[PacketInterface, ...] = (left,)
    to_client: tuple[PacketInterface, ...] = (right,)
    hosts: dict[bytes, PacketInterface] = {}
    if flow is not None:
        to_server, to_client = (left, flow.receiver), (right, flow.sender)
        hosts = {_ipv4(TCP_RECEIVER): flow.receiver, _ipv4(TCP_SENDER): flow.sender}
    return (
        ForwardingPath(Direction.TO_SERVER, to_server, right, SERVER_NETWORKS, hosts),
        ForwardingPath(Direction.TO_CLIENT, to_client, left, CLIENT_NETWORKS, hosts),
    )


def _ipv4(interface: Interface) -> bytes:
    return ip_address(interface.ipv4).packed


def _server_watch(
    settings: Settings, control: Control, selector: BaseSelector, flow: TcpFlow | None
) -> ServerWatch:
    """Probes the server; reports the result, and starts the TCP flow if the server is ready."""

    def report(*, ready: bool, after_ns: int) -> None:
        event = "server-ready" if ready else "server-silent"
        control.emit(event, {"after_s": round(after_ns / 1e9, 3)})
        if ready and flow is not None:
            flow.start(selector)

    probe = Probe((SERVER.ipv4, SERVER.ipv6), SERVER_PORT, time.monotonic_ns())
    return ServerWatch(probe, int(settings.probe_timeout_s * 1e9), selector, report)


def _stop_if_requested(control: Control, loop: Loop) -> None:
    if control.stop_requested():
        loop.stop()


@contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """A socket that becomes readable on SIGTERM and SIGINT."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    with reading, writing:
        signal.set_wakeup_fd(writing.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        yield reading
