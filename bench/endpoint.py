"""Loopback throughput and CPU beside plain aioquic: the same download, each side a process.

    python bench/endpoint.py [megabytes] [rounds]

Rounds of both alternate, and the best of each counts: a busy machine makes all figures worse, while
the ratio stays. Times are a whole client's, with its start and its handshake.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "endpoint"))

from processes import Machine  # noqa: E402 - ours, from the tests

PLAIN_SERVER = """
import asyncio, sys
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
class Server(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.end_stream:
            self._quic.send_stream_data(event.stream_id, bytes(int(event.data)), end_stream=True)
async def main(certs, port):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["hq-interop"])
    configuration.load_cert_chain(certs + "/cert.pem", certs + "/priv.key")
    await serve("::", int(port), configuration=configuration, create_protocol=Server)
    await asyncio.Event().wait()
asyncio.run(main(*sys.argv[1:]))
"""
PLAIN_CLIENT = """
import asyncio, os, sys
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
class Client(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.end_stream:
            os._exit(0)  # without the three PTOs that its closing takes
async def main(certs, port, size):
    configuration = QuicConfiguration(alpn_protocols=["hq-interop"], cafile=certs + "/ca.pem")
    async with connect("localhost", int(port), configuration=configuration,
                       create_protocol=Client) as client:
        client._quic.send_stream_data(0, size.encode(), end_stream=True)
        client.transmit()
        await asyncio.Event().wait()
asyncio.run(main(*sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one download, in seconds."""

    elapsed: float
    client_cpu: float
    server_cpu: float


def download(machine: Machine, stack: str, size: int) -> Figures:
    """Start a server and a client, and download once."""
    arguments = [str(machine.certs), str(machine.port)]
    quiet = {"SSLKEYLOGFILE": "", "QLOGDIR": ""}
    if stack == "aioquic":
        server = [sys.executable, "-c", PLAIN_SERVER, *arguments]
        client = [sys.executable, "-c", PLAIN_CLIENT, *arguments, str(size)]
    else:
        server = client = [sys.executable, "-m", "endpoint"]
    before = _cpu_s()
    with subprocess.Popen(
        server, cwd=ROOT, env=machine.environment("server", "transfer") | quiet, text=True
    ) as process:
        machine.wait_until_ready(process)
        begun = time.perf_counter()
        subprocess.run(
            client,
            cwd=ROOT,
            env=machine.environment("client", "transfer", ["file"]) | quiet,
            check=True,
        )
        elapsed = time.perf_counter() - begun
        client_cpu = _cpu_s() - before
        process.send_signal(signal.SIGTERM)
        process.wait()
    return Figures(elapsed, client_cpu, _cpu_s() - before - client_cpu)


def main() -> None:
    """Print both, and their ratio."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    size = megabytes * 1_000_000
    best: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        machine.serve_file("file", size)
        for _ in range(rounds):
            for stack in ("aioquic", "endpoint"):
                figures = download(machine, stack, size)
                known = best.get(stack, figures)
                best[stack] = Figures(
                    min(known.elapsed, figures.elapsed),
                    min(known.client_cpu, figures.client_cpu),
                    min(known.server_cpu, figures.server_cpu),
                )
    load = os.getloadavg()[0]
    print(f"{'':10}{'Mbit/s':>8}{'client':>10}{'server':>10}  ms of CPU per MB, load {load}")
    for stack, figures in best.items():
        rate = 8 * megabytes / figures.elapsed
        client, server = (1000 * s / megabytes for s in (figures.client_cpu, figures.server_cpu))
        print(f"{stack:10}{rate:8.0f}{client:10.1f}{server:10.1f}")
    print(f"ratio     {best['aioquic'].elapsed / best['endpoint'].elapsed:8.2f}")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
