"""One side's folders, certificates and processes: what a test of a peer needs to run it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import free_port, wait_until_ready


@dataclass(frozen=True, slots=True)
class Place:
    """One test's folders and port."""

    adapter: Path
    folder: Path
    certificates: Path
    port: int

    @property
    def www(self) -> Path:
        return self.folder / "www"

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads"

    def logs(self, role: str) -> Path:
        return self.folder / role

    def environment(self, role: str, testcase: str, **more: str) -> dict[str, str]:
        self.logs(role).mkdir(exist_ok=True)
        return {
            "ROLE": role,
            "TESTCASE": testcase,
            "PORT": str(self.port),
            "WWW": str(self.www),
            "DOWNLOADS": str(self.downloads),
            "CERTS": str(self.certificates),
            "SSLKEYLOGFILE": str(self.logs(role) / "keys.log"),
            "QLOGDIR": str(self.logs(role) / "qlog"),
            **more,
        }

    def serve(self, count: int, size: int, name_length: int = 10) -> list[str]:
        """Put random files into /www; return their names."""
        content = random.Random(size)
        names = [f"{number:0{name_length}}" for number in range(count)]
        for name in names:
            self.www.joinpath(name).write_bytes(content.randbytes(size))
        return names

    @contextmanager
    def server(self, testcase: str) -> Iterator[subprocess.Popen[bytes]]:
        """A server, until it is stopped as the runner does it; it then has to end well."""
        with subprocess.Popen(
            [self.adapter], env=self.environment("server", testcase), stderr=subprocess.PIPE
        ) as process:
            try:
                wait_until_ready(self.port, process)
                yield process
                process.terminate()
                assert process.wait(10) == 0
            finally:
                process.kill()

    def client(
        self,
        testcase: str,
        paths: Sequence[str],
        at: int,
        host: str = "127.0.0.1",
        **more: str,
    ) -> subprocess.CompletedProcess[str]:
        requests = " ".join(f"https://{host}:{at}/{path}" for path in paths)
        environment = self.environment("client", testcase, REQUESTS=requests, **more)
        return subprocess.run(
            [self.adapter],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def downloaded(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.downloads.iterdir()}

    def served(self, names: Sequence[str]) -> dict[str, bytes]:
        return {name: self.www.joinpath(name).read_bytes() for name in names}


def make_place(adapter: Path, folder: Path, certificates: Path) -> Place:
    """A place with empty /www and /downloads."""
    made = Place(adapter, folder, certificates, free_port())
    made.www.mkdir()
    made.downloads.mkdir()
    return made
