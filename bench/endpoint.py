"""Loopback throughput, handshakes and CPU beside other Python stacks, as ratios from one run.

    python bench/endpoint.py [--megabytes 20] [--handshakes 40] [--rounds 3] [--memory]

Each side is a process of bench/loopback/stack_peer.py, the same script for every stack. Rounds of
all stacks alternate and the best of each counts: a busy machine makes all figures worse, while
the ratios stay. Only the transfer is timed, from the request on: no start of Python, no handshake.

What is compared: ``aioquic`` and ``endpoint 1200`` send datagrams of 1200 bytes, so that is our
UDP layer alone; ``endpoint 1472`` is what Ethernet carries; ``endpoint`` finds out by itself what
loopback carries, up to 16000 bytes, as qh3 and aiopquic use what they choose.

qh3 and aiopquic are no dependencies of the project: they live in environments of their own below
~/.cache/quicmatrix-bench, made here from PyPI when they are missing, and are left out, with a
line that says why, where they cannot be had (aiopquic needs Python 3.12).

--memory: a server process's resident memory after 500 connections came and went.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEER = ROOT / "bench" / "loopback" / "stack_peer.py"
CACHE = Path.home() / ".cache" / "quicmatrix-bench"
PINNED = {"qh3": "qh3==2.1.0", "aiopquic": "aiopquic==0.6.1"}
SYSTEM_TICKS = os.sysconf("SC_CLK_TCK")
sys.path.insert(0, str(ROOT))

from tests.support.certificates import write_certificates  # noqa: E402 - ours, from the tests


@dataclass(frozen=True, slots=True)
class Stack:
    """One row of the result."""

    label: str
    package: str
    python: str
    datagram_bytes: int
    """0: what the stack chooses."""


@dataclass(slots=True)
class Best:
    """The best of all rounds, in seconds."""

    elapsed: float = float("inf")
    client_cpu: float = float("inf")
    server_cpu: float = float("inf")

    def take(self, elapsed: float, client_cpu: float, server_cpu: float) -> None:
        """One more round."""
        self.elapsed = min(self.elapsed, elapsed)
        self.client_cpu = min(self.client_cpu, client_cpu)
        self.server_cpu = min(self.server_cpu, server_cpu)


def stacks() -> Iterator[Stack]:
    """All that can run here."""
    yield Stack("aioquic", "aioquic", sys.executable, 0)
    yield Stack("endpoint 1200", "endpoint", sys.executable, 1200)
    yield Stack("endpoint 1472", "endpoint", sys.executable, 1472)
    yield Stack("endpoint", "endpoint", sys.executable, 0)
    for package in PINNED:
        python = _environment(package)
        if python is not None:
            yield Stack(package, package, python, 0)


@contextmanager
def server(stack: Stack, certs: Path) -> Iterator[tuple[int, int]]:
    """A server that is ready; its port and process ID."""
    port = _free_port()
    command = _command(stack, "server", certs, port)
    with subprocess.Popen(command, cwd=ROOT, env=_variables()) as process:
        try:
            _wait_for_port(process, port)
            yield port, process.pid
        finally:
            process.kill()


def measure(stack: Stack, what: str, certs: Path, count: int) -> tuple[float, float, float]:
    """Seconds that a client took, and of CPU that it and its server used."""
    with server(stack, certs) as (port, pid):
        before = _cpu_s(pid)
        done = subprocess.run(
            [*_command(stack, what, certs, port), str(count)],
            cwd=ROOT,
            env=_variables(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        figures = json.loads(done.stdout)
        return figures["elapsed_s"], figures["cpu_s"], _cpu_s(pid) - before


def compare(arguments: argparse.Namespace, certs: Path) -> None:
    """Print all figures, and the ratios to plain aioquic."""
    rows = list(stacks())
    transfers = {stack: Best() for stack in rows}
    handshakes = {stack: Best() for stack in rows}
    size = arguments.megabytes * 1_000_000
    for _ in range(arguments.rounds):
        for stack in rows:
            transfers[stack].take(*measure(stack, "download", certs, size))
            handshakes[stack].take(*measure(stack, "handshakes", certs, arguments.handshakes))
    base, base_handshakes = transfers[rows[0]], handshakes[rows[0]]
    print(f"best of {arguments.rounds}, {arguments.megabytes} MB, load {os.getloadavg()[0]:.2f}")
    print(
        f"{'':14}{'Mbit/s':>8}{'ratio':>7}{'client':>8}{'server':>8}  CPU ms/MB"
        f"{'handshakes/s':>15}{'ratio':>7}{'client':>8}{'server':>8}  CPU ms each"
    )
    for stack in rows:
        bulk, short = transfers[stack], handshakes[stack]
        per_megabyte = 1000 / arguments.megabytes
        each = 1000 / arguments.handshakes
        print(
            f"{stack.label:14}{8 * arguments.megabytes / bulk.elapsed:8.0f}"
            f"{base.elapsed / bulk.elapsed:7.2f}"
            f"{bulk.client_cpu * per_megabyte:8.1f}{bulk.server_cpu * per_megabyte:8.1f}"
            f"{arguments.handshakes / short.elapsed:26.0f}"
            f"{base_handshakes.elapsed / short.elapsed:7.2f}"
            f"{short.client_cpu * each:8.2f}{short.server_cpu * each:8.2f}"
        )


def memory(certs: Path, connections: int) -> None:
    """Print the resident memory of a server before and after so many connections."""
    stack = Stack("endpoint", "endpoint", sys.executable, 0)
    with server(stack, certs) as (port, pid):
        command = _command(stack, "handshakes", certs, port)
        subprocess.run([*command, "20"], cwd=ROOT, env=_variables(), check=True)
        time.sleep(1)  # the last closing periods, of some 0.1 s each
        before = _resident_kib(pid)
        subprocess.run([*command, str(connections)], cwd=ROOT, env=_variables(), check=True)
        busy = _resident_kib(pid)
        time.sleep(1)
        after = _resident_kib(pid)
    print(
        f"server memory: {before} KiB after 20 connections, {busy} at the end of {connections}"
        f" more, {after} when they are closed: {100 * (after / before - 1):+.1f} %"
    )


def _environment(package: str) -> str | None:
    """The interpreter of a stack's own environment; None, and a line, if there can be none."""
    python = CACHE / package / "bin" / "python"
    if not python.exists():
        found = shutil.which("python3.12") or _pyenv("3.12") if package == "aiopquic" else None
        base = sys.executable if sys.version_info >= (3, 12) or package != "aiopquic" else found
        if base is None:
            print(f"{package}: left out, it needs Python 3.12", file=sys.stderr)
            return None
        python.parent.parent.mkdir(parents=True, exist_ok=True)
        make = [base, "-m", "venv", str(python.parent.parent)]
        install = [str(python), "-m", "pip", "install", "-q", PINNED[package]]
        for command in (make, install):
            if subprocess.run(command, check=False).returncode:
                shutil.rmtree(python.parent.parent)
                print(f"{package}: left out, it cannot be installed", file=sys.stderr)
                return None
    return str(python)


def _pyenv(version: str) -> str | None:
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}*/bin/python3"))
    return str(found[-1]) if found else None


def _command(stack: Stack, what: str, certs: Path, port: int) -> list[str]:
    size = str(stack.datagram_bytes)
    return [stack.python, str(PEER), stack.package, size, what, str(certs), str(port)]


def _variables() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return int(udp.getsockname()[1])


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a process listens on a UDP port."""
    wanted = f":{port:04X} "
    while wanted not in Path("/proc/net/udp").read_text(encoding="ascii"):
        if process.poll() is not None:
            raise SystemExit(f"a server ended with {process.returncode}")
        time.sleep(0.02)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / SYSTEM_TICKS


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit("no VmRSS")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description="loopback, beside other stacks")
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--handshakes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        certs = write_certificates(Path(folder) / "certs")
        if arguments.memory:
            memory(certs, 500)
        else:
            compare(arguments, certs)


if __name__ == "__main__":
    main()
