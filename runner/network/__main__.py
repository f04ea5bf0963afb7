"""``python -m quicmatrix.runner.network``: the middlebox, as a program on the sim host.

Events are JSON objects, one a line, on standard output, or on the Unix socket that ``--control``
names, which the runner listens on (:mod:`quicmatrix.runner.network.control` is its side). In this
order:

``{"event": "capturing"}``
    Both interfaces are being captured: nothing that is sent from now on is missed. TCP port 57832
    is open on all addresses.
``{"event": "server-ready", "after_s": 0.612}`` or ``{"event": "server-silent", "after_s": 10.0}``
    With ``--probe-server`` only: the server has answered on IPv4 or IPv6, or not in time.
``{"event": "finished", "forwarded": {"to_client": 812, "to_server": 95}, "dropped": 3,
"lateness_ms": {"count": 907, "mean": 0.06, "p50": 0.06, "p99": 0.2, "worst": 1.1},
"kernel_drops": 0, "truncated": "", "cross_traffic": null}``
    Everything in flight is delivered and all files are closed. ``kernel_drops`` counts frames
    that came too fast to be read; ``truncated`` says why a file is incomplete; ``cross_traffic``
    is ``{"began_at": 1767225600.5, "duration_s": 2.25, "received_bytes": 1250000,
    "bytes_per_second": [400000, 600000, 250000]}`` if a TCP flow shared the link.
``{"event": "failed", "reason": "..."}``
    Instead of any of these: it crashed. The traceback is on standard error, and the exit code 1.

It stops on SIGTERM, on SIGINT, and at the end of standard input, or, with ``--control``, when the
runner sends anything or closes the connection. The exit code is then 0; it is 2 for wrong
arguments.

The captures are raw: ``left.raw.pcapng`` and ``right.raw.pcapng`` in ``--capture-dir``.
:func:`quicmatrix.runner.bundle.capture.finish` makes the final ones of them. Beside them is
``link.jsonl``, which :mod:`quicmatrix.runner.network.recording.link_log` describes and reads.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.middlebox.events import Control, ControlSocket, StandardStreams
from quicmatrix.runner.network.middlebox.middlebox import Settings, run
from quicmatrix.runner.network.middlebox.realtime_priority import use_realtime_priority
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT


def main(arguments: list[str]) -> int:
    """Run the middlebox that the arguments describe; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings(
            left=options.left,
            right=options.right,
            scenario=parse_scenario(options.scenario),
            scenario_text=options.scenario,
            seed=options.seed,
            capture_dir=options.capture_dir,
            capture_limit=options.capture_limit,
            client_mac=options.client_mac,
            server_mac=options.server_mac,
            probes_server=options.probe_server,
            probe_timeout_s=options.probe_timeout,
        )
    except UserError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 2
    control: Control = ControlSocket(options.control) if options.control else StandardStreams()
    try:
        use_realtime_priority()
        _check_kernel_forwarding()
        run(settings, control)
    except Exception as error:
        control.emit("failed", {"reason": f"{type(error).__name__}: {error}"})
        raise
    return 0


def _check_kernel_forwarding() -> None:
    """Check that the kernel does not forward packets itself, past the middlebox.

    A new network namespace inherits this setting for IPv4, and Docker enables it on its hosts.

    Raises:
        RuntimeError: It does.
    """
    for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        path = Path("/proc/sys/net", switch)
        with contextlib.suppress(FileNotFoundError):  # no IPv6 in this kernel
            if path.read_text(encoding="ascii").strip() != "0":
                raise RuntimeError(f"the kernel forwards packets itself: {path} is not 0")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m quicmatrix.runner.network", description="The middlebox."
    )
    parser.add_argument("--left", default=SIM_LEFT.name, help="interface on the client's side")
    parser.add_argument("--right", default=SIM_RIGHT.name, help="interface on the server's side")
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--capture-dir", required=True, type=Path)
    parser.add_argument("--capture-limit", required=True, type=int, help="bytes, of each file")
    parser.add_argument("--control", type=Path, help="Unix socket to report to and listen on")
    parser.add_argument("--client-mac", default=CLIENT.mac)
    parser.add_argument("--server-mac", default=SERVER.mac)
    parser.add_argument("--probe-server", action="store_true", help="report when it is ready")
    parser.add_argument("--probe-timeout", type=float, default=10.0, help="seconds")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
