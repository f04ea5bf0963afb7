"""The ngtcp2 peer against itself, over loopback, with a relay between that keeps what it forwards.

That files arrive shows little: a client may "pass" v2 in version 1. So each test case also looks,
through tshark, for its feature in the packets.
"""

from __future__ import annotations

import datetime
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytestmark = pytest.mark.ngtcp2

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "docker/peers/ngtcp2/build"
OUTPUT = ROOT / ".peers/ngtcp2"
KIB = 1024
SUPPORTED = (
    "handshake transfer chacha20 connectionmigration ecn http3 keyupdate multiconnect resumption "
    "retry v2 versionnegotiation zerortt"
).split()


# --- The peer and what it needs ----------------------------------------------------------------


def build(output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILD, output],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def adapter() -> Path:
    done = build(OUTPUT)
    assert done.returncode == 0, done.stderr
    return OUTPUT / "adapter"


@pytest.fixture(scope="session")
def modern(adapter: Path) -> bool:
    """Whether it has version 2: ngtcp2 0.12 has only a draft of it."""
    done = subprocess.run([adapter, "--version"], capture_output=True, text=True, check=True)
    return not done.stdout.startswith("ngtcp2 0.")


def make_certificates(folder: Path) -> Path:
    folder.mkdir()
    now = datetime.datetime.now(datetime.UTC)

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
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates") / "certs")


# --- The relay ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Datagram:
    from_server: bool
    client_port: int
    ecn: int
    payload: bytes


def receive(source: socket.socket) -> tuple[bytes, int, tuple[str, int]]:
    payload, control, _, address = source.recvmsg(65536, 256)
    marks = [data[0] for level, kind, data in control if (level, kind) == (0, socket.IP_TOS)]
    return payload, marks[0] & 3 if marks else 0, address


def send(out: socket.socket, payload: bytes, ecn: int, address: tuple[str, int]) -> None:
    out.sendmsg([payload], [(0, socket.IP_TOS, struct.pack("i", ecn))], 0, address)


def udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB * KIB)
    made.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS, which Python does not name
    made.bind(("127.0.0.1", 0))
    return made


@dataclass(slots=True)
class Relay:
    """Forwards datagrams, with their ECN marks, between clients and one server, and keeps them."""

    server_port: int
    front: socket.socket = field(default_factory=udp_socket)
    kept: list[Datagram] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.front.getsockname()[1])

    def run(self, stop: socket.socket) -> None:
        server = ("127.0.0.1", self.server_port)
        backs: dict[tuple[str, int], socket.socket] = {}
        clients: dict[socket.socket, tuple[str, int]] = {}
        with selectors.DefaultSelector() as selector, ExitStack() as sockets:
            selector.register(stop, selectors.EVENT_READ)
            selector.register(self.front, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    if source is stop:
                        return
                    payload, ecn, address = receive(source)
                    client = clients.get(source, address)
                    self.kept.append(Datagram(source in clients, client[1], ecn, payload))
                    if source in clients:
                        send(self.front, payload, ecn, client)
                        continue
                    if address not in backs:
                        backs[address] = sockets.enter_context(udp_socket())
                        clients[backs[address]] = address
                        selector.register(backs[address], selectors.EVENT_READ)
                    send(backs[address], payload, ecn, server)

    def write_pcap(self, path: Path) -> None:
        """As if the client were 10.0.0.1 and the server 10.0.0.2:443."""
        ends = (ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed)
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
            for number, one in enumerate(self.kept):
                ports = (443, one.client_port) if one.from_server else (one.client_port, 443)
                size = 28 + len(one.payload)
                source, destination = reversed(ends) if one.from_server else ends
                header = struct.pack(
                    ">BBHIBBH4s4s", 0x45, one.ecn, size, 0, 64, 17, 0, source, destination
                ) + struct.pack(">HHHH", *ports, size - 20, 0)
                file.write(struct.pack("<IIII", number, 0, size, size) + header + one.payload)


@contextmanager
def relaying(server_port: int) -> Iterator[Relay]:
    relay = Relay(server_port)
    stop, stopper = socket.socketpair()
    thread = threading.Thread(target=relay.run, args=(stop,))
    with relay.front, stop, stopper:
        thread.start()
        try:
            yield relay
        finally:
            stopper.send(b"x")
            thread.join()


# --- Running the peer --------------------------------------------------------------------------


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


@pytest.fixture
def place(adapter: Path, certificates: Path, tmp_path: Path) -> Place:
    made = Place(adapter, tmp_path, certificates, free_port())
    made.www.mkdir()
    made.downloads.mkdir()
    return made


# --- What was on the wire ----------------------------------------------------------------------

FIELDS = {
    "source": "ip.src",
    "port": "udp.port",
    "ecn": "ip.dsfield.ecn",
    "version": "quic.version",
    "type": "quic.long.packet_type",
    "type2": "quic.long.packet_type_v2",
    "token": "quic.token_length",
    "phase": "quic.key_phase",
    "frame": "quic.frame_type",
    "message": "tls.handshake.type",
    "cipher": "tls.handshake.ciphersuite",
    "extension": "tls.handshake.extension.type",
    "alpn": "tls.handshake.extensions_alpn_str",
}
INITIAL, ZERO_RTT, RETRY = "0", "1", "3"
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = "1", "2", "11"
PRE_SHARED_KEY, EARLY_DATA = "41", "42"
ACK_ECN, MAX_STREAMS, CONNECTION_CLOSE = "3", "18", "29"


@dataclass(frozen=True, slots=True)
class Seen:
    """One datagram, as tshark decodes it: the values of each field, in order."""

    values: Mapping[str, tuple[str, ...]]

    @property
    def from_server(self) -> bool:
        return self["source"] == ("10.0.0.2",)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Wire:
    seen: tuple[Seen, ...]

    def of(self, name: str, *, server: bool) -> list[str]:
        """All values of a field in the packets of one side."""
        return [value for one in self.seen if one.from_server == server for value in one[name]]

    def hellos(self, message: str) -> list[Seen]:
        """Datagrams in which a ClientHello or a ServerHello begins."""
        return [one for one in self.seen if message in one["message"]]


def normal(value: str) -> str:
    """Tshark's spellings differ between its versions."""
    value = {"True": "1", "False": "0"}.get(value, value)
    return str(int(value, 16)) if value.startswith("0x") else value


def decode(relay: Relay, place: Place) -> Wire:
    capture = place.folder / "relay.pcap"
    relay.write_pcap(capture)
    columns = [word for name in FIELDS.values() for word in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-r", capture, "-o", f"tls.keylog_file:{place.logs('client') / 'keys.log'}"]
        + ["-T", "fields", "-E", "separator=|", "-E", "occurrence=a", *columns],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = (line.split("|") for line in done.stdout.splitlines())
    return Wire(
        tuple(
            Seen(
                {
                    name: tuple(normal(value) for value in cell.split(",") if value)
                    for name, cell in zip(FIELDS, row, strict=True)
                }
            )
            for row in rows
        )
    )


def run(
    place: Place, testcase: str, names: Sequence[str], *, server: str | None = None
) -> tuple[subprocess.CompletedProcess[str], Relay]:
    with place.server(server or testcase), relaying(place.port) as relay:
        done = place.client(testcase, names, relay.port)
    return done, relay


def run_well(
    place: Place, testcase: str, names: Sequence[str], *, server: str | None = None
) -> Wire:
    """A run that delivers all files, and what was on the wire."""
    done, relay = run(place, testcase, names, server=server)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.downloaded() == place.served(names)
    return decode(relay, place)


# --- The build ---------------------------------------------------------------------------------


def test_build_compiles_without_a_warning_and_then_rests(adapter: Path, tmp_path: Path) -> None:
    if (OUTPUT / "root").exists():  # spares a download
        shutil.copytree(OUTPUT / "root", tmp_path / "root")
    first = build(tmp_path, CFLAGS="-Werror")
    assert first.returncode == 0, first.stderr
    assert "warning" not in first.stderr
    made = (tmp_path / "adapter").stat()
    second = build(tmp_path, CFLAGS="-Werror")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert (tmp_path / "adapter").stat().st_ino == made.st_ino
    assert "ngtcp2 " in second.stdout
    assert "GnuTLS " in second.stdout


# --- The contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("testcase", ["", "nosuchcase", "handshake2", "amplificationlimit"])
def test_unknown_test_case_is_unsupported(place: Place, role: str, testcase: str) -> None:
    environment = place.environment(role, testcase, REQUESTS="https://127.0.0.1:1/x")
    done = subprocess.run(
        [place.adapter], env=environment, capture_output=True, check=False, timeout=5
    )
    assert done.returncode == 127


@pytest.mark.parametrize("role", ["client", "server"])
def test_version_2_is_unsupported_where_it_is_a_draft(
    place: Place, modern: bool, role: str
) -> None:
    if modern:
        pytest.skip("this ngtcp2 has RFC 9369's version 2")
    done = subprocess.run(
        [place.adapter], env=place.environment(role, "v2"), capture_output=True, check=False
    )
    assert done.returncode == 127


@pytest.mark.parametrize("testcase", SUPPORTED)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_each_test_case_over_each_family(
    place: Place, modern: bool, testcase: str, host: str
) -> None:
    if testcase == "v2" and not modern:
        pytest.skip("this ngtcp2 has a draft of version 2 only")
    names = [""] if testcase == "versionnegotiation" else place.serve(3, 50 * KIB)
    with place.server(testcase):
        done = place.client(testcase, names, place.port, host)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.downloaded() == (place.served(names) if names != [""] else {})
    connections = {"multiconnect": 3, "resumption": 2, "versionnegotiation": 2, "zerortt": 2}
    qlogs = list((place.logs("client") / "qlog").iterdir())
    assert len(qlogs) == connections.get(testcase, 1)
    assert all(b"qlog_version" in qlog.read_bytes() for qlog in qlogs)
    for role in ("client", "server"):
        secrets = (place.logs(role) / "keys.log").read_text()
        assert "SERVER_TRAFFIC_SECRET_0" in secrets
        assert ("CLIENT_EARLY_TRAFFIC_SECRET" in secrets) == (testcase == "zerortt")


def test_empty_file_arrives(place: Place) -> None:
    place.www.joinpath("empty").touch()
    for testcase in ("transfer", "http3"):
        place.downloads.joinpath("empty").unlink(missing_ok=True)
        with place.server(testcase):
            assert place.client(testcase, ["empty"], place.port).returncode == 0
        assert place.downloaded() == {"empty": b""}


def test_server_answers_version_negotiation_only_to_datagrams_of_1200_bytes(place: Place) -> None:
    with place.server("handshake"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(5)
        probe.connect(("127.0.0.1", place.port))
        probe.send(ready_probe()[:1199])
        probe.send(b"\xc0" + struct.pack(">I", 0x1A2A3A4A) + b"\x01D\x01S" + bytes(1200))
        assert probe.recv(2048)[5:] == b"\x01S\x01D" + struct.pack(">I", 1)  # the second's


@pytest.mark.parametrize("testcase", ["transfer", "http3"])
@pytest.mark.parametrize(
    "path", ["missing", "../secret", "sub/../../secret", "link", "links/secret", "pipe", "/secret"]
)
def test_server_serves_only_regular_files_beneath_www(
    place: Place, testcase: str, path: str
) -> None:
    place.folder.joinpath("secret").write_text("secret")
    place.www.joinpath("sub").mkdir()
    place.www.joinpath("link").symlink_to(place.folder / "secret")
    place.www.joinpath("links").symlink_to(place.folder)
    os.mkfifo(place.www / "pipe")
    with place.server(testcase):
        done = place.client(testcase, [path], place.port)
    assert done.returncode == 1
    assert "not complete" in done.stderr
    assert place.downloaded() == {}


def test_server_serves_folders_within_www(place: Place) -> None:
    place.www.joinpath("sub").mkdir()
    place.www.joinpath("sub/name").write_text("content")
    with place.server("transfer"):
        assert place.client("transfer", ["sub/name"], place.port).returncode == 0
    assert place.downloaded() == {"name": b"content"}


@pytest.mark.parametrize("path", ["", "..", "sub/", "sub/..", "n" * 256])
def test_client_refuses_what_is_no_file_name(place: Place, path: str) -> None:
    done = place.client("transfer", [path], place.port)
    assert done.returncode == 1
    assert "REQUESTS" in done.stderr


def test_client_follows_no_link_in_downloads(place: Place) -> None:
    target = place.folder / "target"
    place.downloads.joinpath("0000000000").symlink_to(target)
    names = place.serve(1, 10)
    with place.server("transfer"):
        assert place.client("transfer", names, place.port).returncode == 1
    assert not target.exists()


def test_client_fails_when_one_file_of_several_is_missing(place: Place) -> None:
    names = place.serve(2, KIB)
    with place.server("transfer"):
        assert place.client("transfer", [*names, "missing"], place.port).returncode == 1
    assert place.downloaded() == place.served(names)


def test_client_trusts_only_the_given_root(place: Place) -> None:
    names = place.serve(1, KIB)
    other = make_certificates(place.folder / "other")
    with place.server("transfer"):
        done = place.client("transfer", names, place.port, CERTS=str(other))
    assert done.returncode == 1
    assert "TLS" in done.stderr
    assert place.downloaded() == {}


def test_client_checks_the_name_in_the_certificate(place: Place) -> None:
    names = place.serve(1, KIB)
    with place.server("transfer"):
        done = place.client("transfer", names, place.port, "127.0.0.2")
    assert done.returncode == 1
    assert "TLS" in done.stderr


def test_client_that_is_terminated_says_goodbye_and_fails(place: Place) -> None:
    requests = f"https://127.0.0.1:{place.port}/x"
    place.folder.joinpath("client").mkdir()
    with udp_socket() as silent:
        environment = place.environment(
            "client", "handshake", REQUESTS=requests.replace(str(place.port), str(port_of(silent)))
        )
        with subprocess.Popen([place.adapter], env=environment) as client:
            silent.settimeout(10)
            silent.recv(2048)
            client.send_signal(signal.SIGTERM)
            assert client.wait(10) == 1


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


# --- The features, on the wire -----------------------------------------------------------------


@pytest.mark.tshark
def test_handshake_is_one_without_retry_and_closed_without_error(place: Place) -> None:
    wire = run_well(place, "handshake", place.serve(1, KIB))
    assert len(wire.hellos(CLIENT_HELLO)) == 1
    assert RETRY not in wire.of("type", server=True)
    assert set(wire.of("version", server=True)) == {"1"}
    assert CONNECTION_CLOSE in wire.of("frame", server=False)
    assert wire.hellos(CLIENT_HELLO)[0]["alpn"] == ("hq-interop",)


@pytest.mark.tshark
def test_more_files_than_streams_at_once(place: Place) -> None:
    wire = run_well(place, "transfer", place.serve(500, 32))
    assert len(wire.hellos(CLIENT_HELLO)) == 1
    assert MAX_STREAMS in wire.of("frame", server=True)


@pytest.mark.tshark
def test_chacha20_is_all_that_is_offered_and_it_is_taken(place: Place) -> None:
    wire = run_well(place, "chacha20", place.serve(1, 100 * KIB))
    assert wire.hellos(CLIENT_HELLO)[0]["cipher"] == (str(0x1303),)
    assert wire.hellos(SERVER_HELLO)[0]["cipher"] == (str(0x1303),)


@pytest.mark.tshark
def test_chacha20_server_refuses_other_ciphers(place: Place) -> None:
    """The client of handshake offers ChaCha20 last; the server takes nothing else."""
    wire = run_well(place, "handshake", place.serve(1, KIB), server="chacha20")
    assert len(wire.hellos(CLIENT_HELLO)[0]["cipher"]) > 1
    assert wire.hellos(SERVER_HELLO)[0]["cipher"] == (str(0x1303),)


@pytest.mark.tshark
def test_key_update_is_started_by_the_client_and_followed_by_the_server(place: Place) -> None:
    wire = run_well(place, "keyupdate", place.serve(1, 1024 * KIB), server="transfer")
    for server in (False, True):
        phases = wire.of("phase", server=server)
        assert phases[0] == "0"
        assert phases[-1] == "1"


@pytest.mark.tshark
def test_retry_is_sent_and_its_token_repeated(place: Place) -> None:
    wire = run_well(place, "retry", place.serve(1, 10 * KIB))
    assert wire.of("type", server=True).count(RETRY) == 1
    initials = [one for one in wire.seen if not one.from_server and INITIAL in one["type"]]
    assert initials[0]["token"] == ("0",)
    assert all(int(one["token"][0]) > 0 for one in initials[1:])


@pytest.mark.tshark
def test_resumption_needs_no_second_certificate(place: Place) -> None:
    wire = run_well(place, "resumption", place.serve(2, 10 * KIB))
    first, second = wire.hellos(SERVER_HELLO)
    assert PRE_SHARED_KEY not in first["extension"]
    assert PRE_SHARED_KEY in second["extension"]
    assert wire.of("message", server=True).count(CERTIFICATE) == 1
    assert ZERO_RTT not in wire.of("type", server=False)


@pytest.mark.tshark
def test_zero_rtt_carries_the_requests(place: Place) -> None:
    wire = run_well(place, "zerortt", place.serve(40, 32, name_length=250))
    assert len(wire.hellos(SERVER_HELLO)) == 2
    assert wire.of("type", server=False).count(ZERO_RTT) >= 9  # 39 requests of 250 bytes
    assert EARLY_DATA in wire.hellos(SERVER_HELLO)[1]["extension"]


@pytest.mark.tshark
def test_zero_rtt_that_is_rejected_is_sent_again(place: Place) -> None:
    """A server of resumption gives tickets, but takes no early data."""
    names = place.serve(10, 32)
    wire = run_well(place, "zerortt", names, server="resumption")
    assert ZERO_RTT not in wire.of("type", server=False)
    assert PRE_SHARED_KEY in wire.hellos(SERVER_HELLO)[1]["extension"]


@pytest.mark.tshark
def test_multiconnect_makes_a_handshake_for_each_file(place: Place) -> None:
    wire = run_well(place, "multiconnect", place.serve(5, KIB))
    assert len(wire.hellos(SERVER_HELLO)) == 5
    assert len({one["port"] for one in wire.hellos(CLIENT_HELLO)}) == 5


@pytest.mark.tshark
def test_version_2_is_reached_from_version_1(place: Place, modern: bool) -> None:
    if not modern:
        pytest.skip("this ngtcp2 has a draft of version 2 only")
    wire = run_well(place, "v2", place.serve(1, KIB))
    versions = wire.of("version", server=False)
    assert versions[0] == "1"
    assert set(wire.of("version", server=True)) == {str(0x6B3343CF)} == set(versions[1:])


@pytest.mark.tshark
def test_version_2_is_nothing_to_the_other_test_cases(place: Place) -> None:
    wire = run_well(place, "handshake", place.serve(1, KIB))
    assert set(wire.of("version", server=False)) == {"1"}


@pytest.mark.tshark
def test_ecn_marks_are_set_and_counted_by_both_sides(place: Place) -> None:
    wire = run_well(place, "ecn", place.serve(1, 100 * KIB))
    for server in (False, True):
        assert "2" in wire.of("ecn", server=server)
        assert "3" not in wire.of("ecn", server=server)
        assert ACK_ECN in wire.of("frame", server=server)


@pytest.mark.tshark
def test_version_negotiation_brings_a_second_attempt(place: Place) -> None:
    done, relay = run(place, "versionnegotiation", [""])
    assert (done.returncode, done.stderr) == (0, "")
    wire = decode(relay, place)
    assert wire.of("version", server=False)[:2] == [str(0x1A2A3A4A), "1"]
    assert wire.of("version", server=True)[0] == "0"
    assert CONNECTION_CLOSE in wire.of("frame", server=False)


@pytest.mark.tshark
def test_http3_is_spoken(place: Place) -> None:
    wire = run_well(place, "http3", place.serve(3, 200 * KIB))
    assert wire.hellos(CLIENT_HELLO)[0]["alpn"] == ("h3",)


def test_client_moves_to_the_preferred_address(place: Place) -> None:
    names = place.serve(1, 2048 * KIB)
    with place.server("connectionmigration"):
        done = place.client("transfer", names, place.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.downloaded() == place.served(names)
    (qlog,) = (place.logs("client") / "qlog").iterdir()
    assert "path_response" in qlog.read_text()
