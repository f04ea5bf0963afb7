"""The ngtcp2 peer against itself, over loopback, with a relay between that keeps what it forwards.

That files arrive shows little: a client may "pass" v2 in version 1. So each test case also looks,
through tshark, for its feature in the packets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.conversation import run_well
from tests.support.peer_build import NGTCP2
from tests.support.peer_place import Place
from tests.support.peer_wire import (
    CLIENT_HELLO,
    EARLY_DATA,
    PRE_SHARED_KEY,
    SERVER_HELLO,
    VERSION_1,
    VERSION_2,
    ZERO_RTT,
)

pytestmark = pytest.mark.ngtcp2

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


@pytest.fixture(scope="session")
def adapter() -> Path:
    return NGTCP2.adapter()


@pytest.fixture(scope="session")
def modern(adapter: Path) -> bool:
    """Whether it has version 2: ngtcp2 0.12 has only a draft of it."""
    done = subprocess.run([adapter, "--version"], capture_output=True, text=True, check=True)
    return not done.stdout.startswith("ngtcp2 0.")


# --- The build ---------------------------------------------------------------------------------


def test_build_compiles_without_a_warning_and_then_rests(adapter: Path, tmp_path: Path) -> None:
    if (NGTCP2.output / "root").exists():  # spares a download
        shutil.copytree(NGTCP2.output / "root", tmp_path / "root", symlinks=True)
    first = NGTCP2.build(tmp_path, CFLAGS="-Werror")
    assert first.returncode == 0, first.stderr
    assert "warning" not in first.stderr
    made = (tmp_path / "adapter").stat()
    second = NGTCP2.build(tmp_path, CFLAGS="-Werror")
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")
    assert (tmp_path / "adapter").stat().st_ino == made.st_ino
    assert "ngtcp2 " in second.stdout
    assert "GnuTLS " in second.stdout


# --- The contract ------------------------------------------------------------------------------


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


# --- The features, on the wire -----------------------------------------------------------------


@pytest.mark.tshark
def test_zero_rtt_is_not_tried_with_a_ticket_that_does_not_allow_it(place: Place) -> None:
    wire = run_well(place, "zerortt", place.serve(10, 32), server="resumption")
    assert EARLY_DATA not in wire.hellos(CLIENT_HELLO)[-1]["extension"]
    assert PRE_SHARED_KEY in wire.hellos(SERVER_HELLO)[-1]["extension"]
    assert ZERO_RTT not in wire.of("type", server=False)


@pytest.mark.tshark
def test_version_2_is_reached_from_version_1(place: Place, modern: bool) -> None:
    if not modern:
        pytest.skip("this ngtcp2 has a draft of version 2 only")
    wire = run_well(place, "v2", place.serve(1, KIB))
    assert wire.changes("version", server=False) == [VERSION_1, VERSION_2]
    # Whatever the server sends before it has all of the ClientHello is in the client's version.
    assert wire.changes("version", server=True) in ([VERSION_2], [VERSION_1, VERSION_2])
    assert wire.hellos(SERVER_HELLO)[-1]["version"][0] == VERSION_2
