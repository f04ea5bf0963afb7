"""``python -m quicmatrix.endpoint`` as a process, told all by its environment."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.certificates import write_certificates

ROOT = Path(__file__).parents[2]
ENDPOINT = (sys.executable, "-m", "quicmatrix.endpoint")
PROBE = b"\xc0\x57\x41\x49\x54\x00\x00".ljust(1207, b"\0")
"""The runner's: a long header, version 0x57414954, connection IDs of length zero."""


def free_port() -> int:
    """A port that no client is given by chance between now and the server's start."""
    while True:
        port = random.randrange(10_000, 32_768)  # below the kernel's ephemeral ports
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp, suppress(OSError):
            udp.bind(("::", port))
            return port


def wait_until_ready(port: int, server: subprocess.Popen[Any]) -> bytes:
    """Probe a server as the runner does; the Version Negotiation packet that it answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.05)
        for _ in range(200):
            assert server.poll() is None, server.communicate()[1]
            udp.sendto(PROBE, ("127.0.0.1", port))
            with suppress(TimeoutError):
                answer = udp.recv(2048)
                assert answer[0] & 0x80
                assert answer[1:5] == bytes(4)
                return answer
    raise AssertionError("the server does not answer")


@dataclass
class Machine:
    """What a server and a client have in common, below one folder."""

    folder: Path
    host: str = "localhost"
    port: int = 0
    client_environment: dict[str, str] = field(default_factory=dict)
    server_environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        write_certificates(self.certs)
        self.www.mkdir()
        self.downloads.mkdir()
        self.port = free_port()

    @property
    def certs(self) -> Path:
        return self.folder / "certs"

    @property
    def www(self) -> Path:
        return self.folder / "www"

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads"

    def logs(self, role: str) -> Path:
        return self.folder / f"{role}-logs"

    def serve_file(self, name: str, size: int) -> str:
        """Put a random file into /www; its name."""
        (self.www / name).write_bytes(os.urandom(size))
        return name

    def environment(self, role: str, testcase: str, names: Sequence[str] = ()) -> dict[str, str]:
        urls = (f"https://{self.host}:{self.port}/{name}" for name in names)
        return {
            "PATH": os.environ["PATH"],
            "ROLE": role,
            "TESTCASE": testcase,
            "REQUESTS": " ".join(urls),
            "SSLKEYLOGFILE": str(self.logs(role) / "keys.log"),
            "QLOGDIR": str(self.logs(role) / "qlog"),
            "CLIENT_PARAMS": f"downloads={self.downloads} certs={self.certs}",
            "SERVER_PARAMS": f"www={self.www} certs={self.certs} port={self.port}",
        }

    @contextmanager
    def server(
        self, testcase: str, command: Sequence[str] = ENDPOINT
    ) -> Iterator[subprocess.Popen[str]]:
        """A server that is ready; killed at the end if it has not been stopped."""
        environment = self.environment("server", testcase) | self.server_environment
        with subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                wait_until_ready(self.port, process)
                yield process
            finally:
                process.kill()

    def run_client(
        self, testcase: str, names: Sequence[str], command: Sequence[str] = ENDPOINT
    ) -> subprocess.CompletedProcess[str]:
        """Run a client to its end."""
        return subprocess.run(
            command,
            env=self.environment("client", testcase, names) | self.client_environment,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,  # a hang; a busy machine takes a minute for 100 MB
            check=False,
        )

    def has(self, names: Sequence[str]) -> bool:
        """Whether /downloads has exactly these files, with the bytes of those in /www."""
        there = {file.name: file.read_bytes() for file in self.downloads.iterdir()}
        return there == {name: (self.www / name).read_bytes() for name in names}
