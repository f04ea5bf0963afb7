"""The picoquic peer against itself, on loopback, with a relay between that keeps what it forwards.

That files arrive shows little, so each test case also looks, through tshark, for its feature in the
packets.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.conversation import look
from tests.support.peer_build import PICOQUIC
from tests.support.peer_place import Place
from tests.support.peer_relay import Datagram, relaying
from tests.support.peer_wire import VERSION_1, VERSION_2

pytestmark = pytest.mark.picoquic

KIB = 1024
SUPPORTED = (  # and v2, which it does not reliably complete with itself
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
    "versionnegotiation",
    "zerortt",
)


# --- The peer ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def adapter() -> Path:
    return PICOQUIC.adapter()


# --- The build ---------------------------------------------------------------------------------


def test_build_compiles_without_a_warning_and_then_rests(adapter: Path, tmp_path: Path) -> None:
    for made in PICOQUIC.output.iterdir():  # spares the download, and picoquic itself
        if made.is_dir():
            shutil.copytree(made, tmp_path / made.name, symlinks=True)
        elif made.name.startswith("libpicoquic.a"):
            shutil.copy(made, tmp_path)
    first = PICOQUIC.build(tmp_path, CFLAGS="-Werror")
    assert first.returncode == 0, first.stderr
    assert "warning" not in first.stderr
    adapter = tmp_path / "adapter"
    inode = adapter.stat().st_ino
    second = PICOQUIC.build(tmp_path, CFLAGS="-Werror")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert adapter.stat().st_ino == inode
    assert "picoquic 1." in second.stdout
    assert "OpenSSL 3." in second.stdout


def test_build_refuses_other_sources(tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    other.write_bytes(b"other")
    done = PICOQUIC.build(tmp_path / "output", PICOQUIC_SDIST=str(other))
    assert done.returncode == 1
    assert "is not what it should be" in done.stderr
    assert not (tmp_path / "output/adapter").exists()


def test_build_says_what_it_cannot_fetch(tmp_path: Path) -> None:
    done = PICOQUIC.build(tmp_path, PICOQUIC_SDIST="http://127.0.0.1:1/sdist.tar.gz")
    assert done.returncode == 1
    assert "http://127.0.0.1:1/sdist.tar.gz" in done.stderr
    assert "PICOQUIC_SDIST can name the file" in done.stderr


# --- The contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("testcase", SUPPORTED)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_each_test_case_over_each_family(place: Place, testcase: str, host: str) -> None:
    names = [""] if testcase == "versionnegotiation" else place.serve(3, 50 * KIB)
    with place.server(testcase):
        done = place.client(testcase, names, place.port, host)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.downloaded() == (place.served(names) if names != [""] else {})
    connections = {"multiconnect": 3, "resumption": 2, "versionnegotiation": 2, "zerortt": 2}
    count = connections.get(testcase, 1)
    for role in ("client", "server"):
        qlogs = [json.loads(one.read_bytes()) for one in (place.logs(role) / "qlog").iterdir()]
        assert all("qlog_version" in qlog for qlog in qlogs)
        retried = testcase == "retry" and role == "client"  # picoquic begins another qlog then
        refused = testcase == "versionnegotiation" and role == "server"
        assert len(qlogs) == count + retried - refused
        secrets = (place.logs(role) / "keys.log").read_text()
        assert secrets.count("SERVER_TRAFFIC_SECRET_0") >= count - (names == [""])
        assert testcase != "zerortt" or "CLIENT_EARLY_TRAFFIC_SECRET" in secrets


def test_empty_file_arrives(place: Place) -> None:
    place.www.joinpath("empty").touch()
    with place.server("transfer"):
        assert place.client("transfer", ["empty"], place.port, "localhost").returncode == 0
    assert place.downloaded() == {"empty": b""}


@pytest.mark.parametrize(
    ("testcase", "path"),
    [
        *(("transfer", path) for path in ("link", "links/secret", "pipe", "sub/../../secret")),
        *((testcase, path) for testcase in ("transfer", "http3") for path in ("no", "../secret")),
    ],
)
def test_server_serves_only_what_is_in_www(place: Place, testcase: str, path: str) -> None:
    place.folder.joinpath("secret").write_text("secret")
    place.www.joinpath("sub").mkdir()
    place.www.joinpath("link").symlink_to(place.folder / "secret")
    place.www.joinpath("links").symlink_to(place.folder)
    os.mkfifo(place.www / "pipe")
    with place.server(testcase):
        done = place.client(testcase, [path], place.port)
    assert done.returncode == 1
    assert "not complete" in done.stderr
    assert "secret" not in {content.decode() for content in place.downloaded().values()}


# --- The features, on the wire -----------------------------------------------------------------


@pytest.mark.tshark
def test_version_2_is_offered_in_version_1_and_taken(place: Place) -> None:
    """Not until the end: picoquic's client may lose the server's first packet of version 2."""
    (name,) = place.serve(1, KIB)
    with place.server("v2"), relaying(place.port) as relay:
        request = f"https://127.0.0.1:{relay.port}/{name}"
        environment = place.environment("client", "v2", REQUESTS=request)
        with subprocess.Popen([place.adapter], env=environment, stderr=subprocess.PIPE) as client:
            while client.poll() is None and not any(map(in_version_2, relay.kept)):
                with suppress(subprocess.TimeoutExpired):
                    client.wait(0.05)
            client.terminate()
    wire = look(place, relay)
    assert wire.of("version", server=False)[0] == VERSION_1
    # Whatever the server sends before it has all of the ClientHello is in the client's version.
    assert wire.changes("version", server=True) in ([VERSION_2], [VERSION_1, VERSION_2])


def in_version_2(one: Datagram) -> bool:
    """Whether the server sent it, and its first packet has a long header of version 2."""
    first = one.payload[0] & 0x80 and int.from_bytes(one.payload[1:5])
    return one.from_server and str(first) == VERSION_2
