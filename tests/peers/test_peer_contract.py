"""What every peer does of the contract, and of each test case's feature, against itself.

That files arrive shows little: a client may "pass" v2 in version 1. So each test case also looks,
through tshark, for its feature in the packets.
"""

from __future__ import annotations

import dataclasses
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import write_certificates
from tests.support.conversation import look, run, run_well
from tests.support.peer_build import NGTCP2, PICOQUIC, Peer
from tests.support.peer_place import Place
from tests.support.peer_relay import relaying, udp_socket
from tests.support.peer_wire import (
    ACK_ECN,
    CERTIFICATE,
    CLIENT_HELLO,
    CONNECTION_CLOSE,
    EARLY_DATA,
    ENCRYPTED_EXTENSIONS,
    MAX_STREAMS,
    PRE_SHARED_KEY,
    RETRY,
    SERVER_HELLO,
    VERSION_1,
    ZERO_RTT,
)
from tests.support.processes import PROBE, free_port

KIB = 1024


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(peer, id=peer.name, marks=getattr(pytest.mark, peer.name))
        for peer in (NGTCP2, PICOQUIC)
    ],
)
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    return found


@pytest.fixture(scope="session")
def adapter(peer: Peer) -> Path:
    return peer.adapter()


# --- The contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("testcase", ["", "nosuchcase", "handshake2", "amplificationlimit"])
def test_unknown_test_case_is_unsupported(place: Place, role: str, testcase: str) -> None:
    environment = place.environment(role, testcase, REQUESTS="https://127.0.0.1:1/x")
    done = subprocess.run(
        [place.adapter], env=environment, capture_output=True, check=False, timeout=5
    )
    assert done.returncode == 127


def test_server_answers_version_negotiation_only_to_datagrams_of_1200_bytes(place: Place) -> None:
    with place.server("handshake"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(5)
        probe.connect(("127.0.0.1", place.port))
        probe.send(PROBE[:1199])
        probe.send(b"\xc0\x1a\x2a\x3a\x4a\x01D\x01S" + bytes(1200))
        assert probe.recv(2048)[5:].startswith(b"\x01S\x01D\0\0\0\1")  # the second's


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


def test_client_trusts_only_the_given_root(place: Place, peer: Peer) -> None:
    names = place.serve(1, KIB)
    other = write_certificates(place.folder / "other")
    with place.server("transfer"):
        done = place.client("transfer", names, place.port, CERTS=str(other))
    assert done.returncode == 1
    assert peer.distrust in done.stderr
    assert place.downloaded() == {}


def test_client_checks_the_name_in_the_certificate(place: Place, peer: Peer) -> None:
    names = place.serve(1, KIB)
    with place.server("transfer"):
        done = place.client("transfer", names, place.port, "127.0.0.2")
    assert done.returncode == 1
    assert peer.distrust in done.stderr


def test_client_ends_when_told_to(place: Place) -> None:
    with udp_socket() as silent:
        environment = place.environment(
            "client", "transfer", REQUESTS=f"https://127.0.0.1:{silent.getsockname()[1]}/x"
        )
        with subprocess.Popen([place.adapter], env=environment) as client:
            silent.settimeout(10)
            silent.recv(2048)
            client.terminate()
            assert client.wait(1) == 1


# --- The features, on the wire -----------------------------------------------------------------


@pytest.mark.tshark
def test_handshake_is_one_without_retry_and_closed_without_error(place: Place) -> None:
    wire = run_well(place, "handshake", place.serve(1, KIB))
    assert len({one["port"] for one in wire.hellos(CLIENT_HELLO)}) == 1
    assert RETRY not in wire.of("type", server=True)
    assert set(wire.of("version", server=True)) == {"1"}
    assert CONNECTION_CLOSE in wire.of("frame", server=False)
    assert wire.hellos(CLIENT_HELLO)[0]["alpn"] == ("hq-interop",)


@pytest.mark.tshark
def test_more_files_than_streams_at_once(place: Place) -> None:
    wire = run_well(place, "transfer", place.serve(800, 32))
    assert MAX_STREAMS in wire.of("frame", server=True)


@pytest.mark.tshark
@pytest.mark.parametrize("client", ["chacha20", "handshake"])
def test_chacha20_server_takes_nothing_else(place: Place, client: str) -> None:
    wire = run_well(place, client, place.serve(1, 100 * KIB), server="chacha20")
    offered = wire.hellos(CLIENT_HELLO)[0]["cipher"]
    assert (offered == (str(0x1303),)) == (client == "chacha20")
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
    assert RETRY in wire.of("type", server=True)  # each Initial without a token gets one
    without, length = wire.changes("token", server=False)
    assert without == "0"
    assert int(length) > 0
    (token,) = set(wire.of("token_sent", server=False))
    assert token in wire.of("token_given", server=True)


@pytest.mark.tshark
def test_resumption_needs_no_second_certificate(place: Place) -> None:
    wire = run_well(place, "resumption", place.serve(2, 10 * KIB))
    ports = sorted({one["port"] for one in wire.hellos(CLIENT_HELLO)})
    assert len(ports) == 2
    assert PRE_SHARED_KEY not in wire.hellos(SERVER_HELLO)[0]["extension"]
    assert PRE_SHARED_KEY in wire.hellos(SERVER_HELLO)[-1]["extension"]
    certified = {one["port"] for one in wire.hellos(CERTIFICATE)}
    assert len(certified) == 1


@pytest.mark.tshark
def test_zero_rtt_carries_the_requests(place: Place) -> None:
    wire = run_well(place, "zerortt", place.serve(40, 32, name_length=250))
    assert wire.of("type", server=False).count(ZERO_RTT) >= 8  # 39 requests of 250 bytes
    assert EARLY_DATA in wire.hellos(ENCRYPTED_EXTENSIONS)[-1]["extension"]


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
    assert len({one["port"] for one in wire.hellos(CERTIFICATE)}) == 2


@pytest.mark.tshark
def test_multiconnect_makes_a_handshake_for_each_file(place: Place) -> None:
    wire = run_well(place, "multiconnect", place.serve(5, KIB))
    assert len({one["port"] for one in wire.hellos(CLIENT_HELLO)}) == 5


@pytest.mark.tshark
def test_version_2_is_nothing_to_the_other_test_cases(place: Place) -> None:
    wire = run_well(place, "handshake", place.serve(1, KIB), server="v2")
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
    assert wire.changes("version", server=False)[:2] == [str(0x1A2A3A4A), VERSION_1]
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
