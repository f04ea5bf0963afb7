"""The ngtcp2 peer against itself, over loopback, with a relay between that keeps what it forwards.

That files arrive shows little: a client may "pass" v2 in version 1. So each test case also looks,
through tshark, for its feature in the packets.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from place import Place, free_port, make_certificates, ready_probe
from relay import Relay, relaying, udp_socket
from wire import (
    ACK_ECN,
    CERTIFICATE,
    CLIENT_HELLO,
    CONNECTION_CLOSE,
    EARLY_DATA,
    INITIAL,
    MAX_STREAMS,
    PRE_SHARED_KEY,
    RETRY,
    SERVER_HELLO,
    ZERO_RTT,
    Wire,
    decode,
)

pytestmark = pytest.mark.ngtcp2

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "docker/peers/ngtcp2/build"
OUTPUT = ROOT / ".peers/ngtcp2"
KIB = 1024
SUPPORTED = (
    "handshake",
    "transfer",
    "chacha20",
    "connectionmigration",
    "ecn",
    "http3",
    "keyupdate",
    "multiconnect",
    "resumption",
    "retry",
    "v2",
    "versionnegotiation",
    "zerortt",
)


# --- The peer ----------------------------------------------------------------------------------


def build(output: Path, **more: str) -> subprocess.CompletedProcess[str]:
    passed = {"PATH", "NGTCP2_FROM", "DEBIAN_MIRROR"} & os.environ.keys()
    return subprocess.run(
        [BUILD, output],
        env={name: os.environ[name] for name in passed} | more,
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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates") / "certs")


@pytest.fixture
def place(adapter: Path, certificates: Path, tmp_path: Path) -> Place:
    made = Place(adapter, tmp_path, certificates, free_port())
    made.www.mkdir()
    made.downloads.mkdir()
    return made


# --- Running a pair ----------------------------------------------------------------------------


def look(place: Place, relay: Relay) -> Wire:
    capture = place.folder / "relay.pcap"
    relay.write_pcap(capture)
    return decode(capture, place.logs("client") / "keys.log")


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
    return look(place, relay)


# --- The build ---------------------------------------------------------------------------------


def test_build_compiles_without_a_warning_and_then_rests(adapter: Path, tmp_path: Path) -> None:
    if (OUTPUT / "root").exists():  # spares a download
        shutil.copytree(OUTPUT / "root", tmp_path / "root", symlinks=True)
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
        assert testcase != "zerortt" or "CLIENT_EARLY_TRAFFIC_SECRET" in secrets


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


def test_client_that_is_terminated_fails_at_once(place: Place) -> None:
    with udp_socket() as silent:
        request = f"https://127.0.0.1:{silent.getsockname()[1]}/name"
        environment = place.environment("client", "handshake", REQUESTS=request)
        with subprocess.Popen([place.adapter], env=environment) as client:
            silent.settimeout(10)
            silent.recv(2048)
            client.terminate()
            assert client.wait(1) == 1


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
    """The second connection reaches a server that knows nothing of the first one's tickets."""
    names = place.serve(10, 32)
    other = dataclasses.replace(place, port=free_port())
    with (
        place.server("zerortt"),
        other.server("zerortt"),
        relaying(place.port, other.port) as relay,
    ):
        done = place.client("zerortt", names, relay.port)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.downloaded() == place.served(names)
    wire = look(place, relay)
    assert ZERO_RTT in wire.of("type", server=False)
    assert wire.of("message", server=True).count(CERTIFICATE) == 2


@pytest.mark.tshark
def test_zero_rtt_is_not_tried_with_a_ticket_that_does_not_allow_it(place: Place) -> None:
    wire = run_well(place, "zerortt", place.serve(10, 32), server="resumption")
    assert EARLY_DATA not in wire.hellos(CLIENT_HELLO)[1]["extension"]
    assert PRE_SHARED_KEY in wire.hellos(SERVER_HELLO)[1]["extension"]
    assert ZERO_RTT not in wire.of("type", server=False)


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
    wire = look(place, relay)
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
