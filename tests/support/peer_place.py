"""One side's folders, certificates and processes: what a test of a peer needs to run it."""

from __future__ import annotations

import datetime as dt
import random
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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
            [self.adapter], env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def downloaded(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.downloads.iterdir()}

    def served(self, names: Sequence[str]) -> dict[str, bytes]:
        return {name: self.www.joinpath(name).read_bytes() for name in names}


def free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind(("::", 0))
        return int(taken.getsockname()[1])


def ready_probe() -> bytes:
    """What the runner sends: a long header of version 0x57414954, answered by a negotiation."""
    return b"\xc0" + struct.pack(">I", 0x57414954) + b"\0\0" + bytes(1200)


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        for _ in range(100):
            assert server.poll() is None, "the server has ended"
            probe.sendto(ready_probe(), ("127.0.0.1", port))
            try:
                answer = probe.recv(2048)
            except TimeoutError:
                continue
            assert answer[0] & 0x80
            assert answer[1:5] == bytes(4)
            return
    raise AssertionError("the server is not ready")


def make_place(adapter: Path, folder: Path, certificates: Path) -> Place:
    """A place with empty /www and /downloads."""
    made = Place(adapter, folder, certificates, free_port())
    made.www.mkdir()
    made.downloads.mkdir()
    return made


def make_certificates(folder: Path) -> Path:
    folder.mkdir()
    now = dt.datetime.now(dt.UTC)

    def certificate(
        name: str, issuer: str, key: ec.EllipticCurvePrivateKey, ca: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        names = [
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer)
        ]
        hosts = [
            x509.DNSName("localhost"),
            x509.IPAddress(ip_address("127.0.0.1")),
            x509.IPAddress(ip_address("::1")),
        ]
        return (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=key is ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .sign(ca, hashes.SHA256())
        )

    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = serialization.Encoding.PEM
    folder.joinpath("ca.pem").write_bytes(certificate("CA", "CA", root, root).public_bytes(pem))
    folder.joinpath("cert.pem").write_bytes(
        certificate("server", "CA", leaf, root).public_bytes(pem)
    )
    folder.joinpath("priv.key").write_bytes(
        leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder
