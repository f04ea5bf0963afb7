"""``python -m quicmatrix.runner.network.container``: quic-interop-runner's ``sim``.

It reads its orders from the environment, as quic-network-simulator does:

======================  ==========================================================================
``SCENARIO``            the scenario string
``WAITFORSERVER``       ``server:443``: begin once that server answers; fail if it has not in 10 s
``SEED``                of all randomness; if unset a new one, which is printed
``LOGS``                where the captures and the link log go: ``/logs``
======================  ==========================================================================

While it captures, TCP port 57832 is open: clients wait for that. Events go to standard output, as
:mod:`quicmatrix.runner.network.__main__` describes them. It is over on SIGTERM and SIGINT. The
captures are ``trace_node_left.pcap`` and ``trace_node_right.pcap``, pcapng inside; whoever kills it
before it is done finds all that was captured under these names as well, but not in the order of
time.
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
from quicmatrix.runner.network.middlebox import wiring
from quicmatrix.runner.network.middlebox.events import Fields, StandardStreams
from quicmatrix.runner.network.middlebox.middlebox import Settings, run
from quicmatrix.runner.network.middlebox.probe import Probe
from quicmatrix.runner.network.middlebox.readiness import ServerWatch
from quicmatrix.runner.network.middlebox.realtime_priority import become_punctual
from quicmatrix.runner.network.middlebox.recorder import LEFT_CAPTURE, RIGHT_CAPTURE
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.network.topology import CLIENT, SERVER

CAPTURES = {LEFT_CAPTURE: "trace_node_left.pcap", RIGHT_CAPTURE: "trace_node_right.pcap"}
CAPTURE_LIMIT = 1 << 30
"""Bytes, of each file."""
SERVER_PATIENCE_S = 10.0
NEIGHBOUR_PATIENCE_S = 5.0
SEEDS = 1 << 32


@dataclass(frozen=True, slots=True)
class Orders:
    """What the environment says."""

    scenario: str
    seed: int
    logs: Path
    server: tuple[str, int] | None
    """The name and the port to wait for."""


def main(environment: Mapping[str, str]) -> int:
    """Be the middlebox until a signal says that it is over; returns the exit code."""
    # As a container's first process it hears no signal that it has no handler for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    try:
        orders = read(environment)
        scenario = parse_scenario(orders.scenario)
        left, right = wiring.interfaces()
        wiring.bar_shortcuts(left, right)
        if orders.server is not None and not answers(*orders.server, SERVER_PATIENCE_S):
            return 1
    except UserError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 2
    macs = wiring.neighbours({CLIENT.ipv4: left, SERVER.ipv4: right}, NEIGHBOUR_PATIENCE_S)
    for address, mac in macs.items():
        if mac == wiring.EVERYBODY:
            _say(f"{address} does not answer; what is for it goes to all on its link")
    _say(f"Using scenario: {orders.scenario}, seed {orders.seed}")
    become_punctual()
    with Standalone(orders.logs) as control:
        run(
            Settings(
                left=left,
                right=right,
                scenario=scenario,
                scenario_text=orders.scenario,
                seed=orders.seed,
                capture_dir=orders.logs,
                capture_limit=CAPTURE_LIMIT,
                client_mac=macs[CLIENT.ipv4],
                server_mac=macs[SERVER.ipv4],
            ),
            control,
        )
    finish(orders.logs)
    return 0


def read(environment: Mapping[str, str]) -> Orders:
    """Understand the environment.

    Raises:
        UserError: A variable is missing or makes no sense; the message names it.
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
    return Orders(scenario, int(seed), logs, (host, int(port)) if server else None)


class Standalone(StandardStreams):
    """Nobody to listen to: only a signal ends it. Events go to standard output."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._silent, self._far = socket.socketpair()

    def emit(self, event: str, fields: Fields) -> None:
        """Print an event; as soon as there are captures, they have their names."""
        if event == "capturing":
            publish(self._logs)
        super().emit(event, fields)

    def fileno(self) -> int:
        """For select(): never readable."""
        return self._silent.fileno()

    def over(self) -> bool:
        """Never."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._silent.close()
        self._far.close()


def publish(logs: Path) -> None:
    """Give the captures that are being written the names under which people look for them."""
    for raw, name in CAPTURES.items():
        (logs / name).unlink(missing_ok=True)
        (logs / name).hardlink_to(logs / raw)


def finish(logs: Path) -> None:
    """Make the final captures, in the order of time; each replaces its raw one at once."""
    for raw, name in CAPTURES.items():
        sorted_ = logs / f"{name}.new"
        capture.finish(logs / raw, sorted_, b"")
        sorted_.replace(logs / name)
        (logs / raw).unlink()


def answers(host: str, port: int, patience_s: float) -> bool:
    """Wait until a QUIC server answers there; False if none does in time.

    Raises:
        UserError: The name has no address.
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
        _say(f"{host}:{port} {outcome} after {after_ns / 1e9:.3f} s")
        outcomes.append(ready)

    with ExitStack() as stack:
        selector = stack.enter_context(SelectSelector())
        probe = stack.enter_context(Probe(addresses, port, time.monotonic_ns()))
        watch = ServerWatch(probe, int(patience_s * 1e9), selector, report)
        while watch.next_ns is not None:
            watch.tick(time.monotonic_ns())
            pause_ns = max(0, (watch.next_ns or 0) - time.monotonic_ns())
            for key, _ in selector.select(pause_ns / 1e9):
                if key.fd in selector.get_map():  # an earlier one may have ended it
                    key.data()
    return outcomes == [True]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(os.environ))
