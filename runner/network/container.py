"""``python -m quicmatrix.runner.network.container``: quic-interop-runner's ``sim``.

It is configured by the environment, as quic-network-simulator is:

======================  ==========================================================================
``SCENARIO``            the scenario string
``WAITFORSERVER``       ``server:443``: start when that server answers; fail if it does not in 10 s
``SEED``                of all randomness; if unset a random one, which is printed
``LOGS``                where the captures and the link log go: ``/logs``
======================  ==========================================================================

While it captures, TCP port 57832 is open: clients wait for that. Events go to standard output, as
:mod:`quicmatrix.runner.network.__main__` describes them. It stops on SIGTERM and SIGINT. The
captures are ``trace_node_left.pcap`` and ``trace_node_right.pcap``, in pcapng format. If it is
killed, these files hold what was captured until then, but not sorted by time.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from selectors import SelectSelector
from typing import Self

from quicmatrix.runner.bundle import capture
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.container_interfaces import (
    BROADCAST_MAC,
    interfaces,
    mac_addresses,
    prevent_kernel_forwarding,
)
from quicmatrix.runner.network.middlebox.events import Fields, StandardStreams
from quicmatrix.runner.network.middlebox.middlebox import Settings, run
from quicmatrix.runner.network.middlebox.realtime_priority import use_realtime_priority
from quicmatrix.runner.network.readiness.probe import Probe
from quicmatrix.runner.network.readiness.server_watch import ServerWatch
from quicmatrix.runner.network.recording.recorder import LEFT_CAPTURE, RIGHT_CAPTURE
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.network.topology import CLIENT, SERVER

CAPTURES = {LEFT_CAPTURE: "trace_node_left.pcap", RIGHT_CAPTURE: "trace_node_right.pcap"}
CAPTURE_LIMIT = 1 << 30
"""Bytes, of each file."""
SERVER_TIMEOUT_S = 10.0
NEIGHBOUR_TIMEOUT_S = 5.0
SEEDS = 1 << 32


@dataclass(frozen=True, slots=True)
class Options:
    """The configuration in the environment."""

    scenario: str
    seed: int
    logs: Path
    server: tuple[str, int] | None
    """The name and the port to wait for; None: do not wait."""


def main(environment: Mapping[str, str]) -> int:
    """Run the middlebox until a signal stops it; returns the exit code."""
    # The first process of a container gets no signal without a handler for it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    try:
        options = parse_environment(environment)
        scenario = parse_scenario(options.scenario)
        left, right = interfaces()
        prevent_kernel_forwarding(left, right)
        if options.server is not None and not wait_for_server(*options.server, SERVER_TIMEOUT_S):
            return 1
    except UserError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 2
    macs = mac_addresses({CLIENT.ipv4: left, SERVER.ipv4: right}, NEIGHBOUR_TIMEOUT_S)
    for address, mac in macs.items():
        if mac == BROADCAST_MAC:
            _print(f"{address} does not answer; its packets are sent to the broadcast address")
    _print(f"Using scenario: {options.scenario}, seed {options.seed}")
    use_realtime_priority()
    with NoControl(options.logs) as control:
        run(
            Settings(
                left=left,
                right=right,
                scenario=scenario,
                scenario_text=options.scenario,
                seed=options.seed,
                capture_dir=options.logs,
                capture_limit=CAPTURE_LIMIT,
                client_mac=macs[CLIENT.ipv4],
                server_mac=macs[SERVER.ipv4],
            ),
            control,
        )
    finish_captures(options.logs)
    return 0


def parse_environment(environment: Mapping[str, str]) -> Options:
    """Parse and check the variables.

    Raises:
        UserError: A variable is missing or invalid; the message names it.
    """
    scenario = environment.get("SCENARIO", "").strip()
    if not scenario:
        raise UserError(
            "SCENARIO is not set",
            "For example: simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25",
        )
    seed = environment.get("SEED", "") or str(secrets.randbelow(SEEDS))
    if not seed.isdecimal():
        raise UserError(
            f"SEED: {seed!r} is not a whole number from 0", "Leave it unset for a new one."
        )
    server = environment.get("WAITFORSERVER", "")
    host, _, port = server.rpartition(":")
    if server and not (host and port.isdecimal()):
        raise UserError(f"WAITFORSERVER: {server!r} is not HOST:PORT", "Usually: server:443")
    logs = Path(environment.get("LOGS", "") or "/logs")
    return Options(scenario, int(seed), logs, (host, int(port)) if server else None)


class NoControl(StandardStreams):
    """No control connection: only a signal stops it. Events go to standard output."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._unused, self._peer = socket.socketpair()

    def emit(self, event: str, fields: Fields) -> None:
        """Print an event; once the captures exist, link them to their public names."""
        if event == "capturing":
            link_captures(self._logs)
        super().emit(event, fields)

    def fileno(self) -> int:
        """For select(): never readable."""
        return self._unused.fileno()

    def stop_requested(self) -> bool:
        """Always false."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._unused.close()
        self._peer.close()


def link_captures(logs: Path) -> None:
    """Hard-link the raw captures to the names that quic-network-simulator gives to captures."""
    for raw, name in CAPTURES.items():
        (logs / name).unlink(missing_ok=True)
        (logs / name).hardlink_to(logs / raw)


def finish_captures(logs: Path) -> None:
    """Make the final captures, sorted by time; each replaces its raw capture atomically."""
    for raw, name in CAPTURES.items():
        sorted_ = logs / f"{name}.new"
        capture.finish(logs / raw, sorted_, b"")
        sorted_.replace(logs / name)
        (logs / raw).unlink()


def wait_for_server(host: str, port: int, timeout_s: float) -> bool:
    """Wait until a QUIC server answers; False if none does in time.

    Raises:
        UserError: The name cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        raise UserError(
            f"WAITFORSERVER: {host}: {error.strerror}", "Usually: server:443"
        ) from error
    addresses = tuple(dict.fromkeys(str(where[0]) for *_, where in found))
    outcomes: list[bool] = []

    def report(*, ready: bool, after_ns: int) -> None:
        outcome = "is available" if ready else "has not answered"
        _print(f"{host}:{port} {outcome} after {after_ns / 1e9:.3f} s")
        outcomes.append(ready)

    with ExitStack() as stack:
        selector = stack.enter_context(SelectSelector())
        probe = stack.enter_context(Probe(addresses, port, time.monotonic_ns()))
        watch = ServerWatch(probe, int(timeout_s * 1e9), selector, report)
        while watch.next_ns is not None:
            watch.tick(time.monotonic_ns())
            pause_ns = max(0, (watch.next_ns or 0) - time.monotonic_ns())
            for key, _ in selector.select(pause_ns / 1e9):
                if key.fd in selector.get_map():  # an earlier callback may unregister it
                    key.data()
    return outcomes == [True]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(os.environ))
