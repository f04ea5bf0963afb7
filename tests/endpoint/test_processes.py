"""Client and server as processes, over loopback, in each test case."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import write_certificates
from tests.support.processes import ENDPOINT, ROOT, Machine, wait_until_ready

CASES = {
    "handshake": ((1024,), 1),
    "transfer": ((200_000, 300_000, 500_000), 1),
    "chacha20": ((300_000,), 1),
    "keyupdate": ((300_000,), 1),
    "retry": ((10_000,), 1),
    "resumption": ((5_000, 10_000), 2),
    "zerortt": ((32,) * 40, 2),
    "http3": ((5_000, 10_000, 500_000), 1),
    "multiconnect": ((1024,) * 5, 5),
    "v2": ((1024,), 1),
    "ecn": ((100_000,), 1),
    "connectionmigration": ((300_000,), 1),
}
"""Sizes of the files, and how many connections it takes."""


MEASURED_ENDPOINT = """
import sys
from quicmatrix.endpoint.entry import main
code = main(parameters=[])
# Not ru_maxrss: that begins with what the parent, pytest, used when it forked.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(status["VmHWM"].split()[0], file=sys.stderr)
sys.exit(code)
"""


def records(folder: Path) -> list[list[dict[str, object]]]:
    """All qlog files of a folder, each with its records."""
    return [
        [json.loads(record) for record in file.read_text().split("\x1e")[1:]]
        for file in folder.iterdir()
    ]


def wait_for_data(file: Path, client: subprocess.Popen[str]) -> None:
    """Wait until a client that is running has written something."""
    while not file.exists() or not file.stat().st_size:
        assert client.poll() is None


def stop(server: subprocess.Popen[str]) -> int:
    """Stop a server as the runner does, which would kill it after its 5 seconds; its exit code."""
    server.send_signal(signal.SIGTERM)
    return server.wait(timeout=5)


@pytest.mark.parametrize("testcase", CASES)
def test_all_files_arrive(machine: Machine, testcase: str) -> None:
    sizes, connections = CASES[testcase]
    width = 250 if testcase == "zerortt" else 10
    names = [machine.serve_file(f"{n:x}".rjust(width, "f"), size) for n, size in enumerate(sizes)]
    with machine.server(testcase) as server:
        client = machine.run_client(testcase, names)
        assert (client.returncode, client.stderr) == (0, "")
        assert machine.has(names)
        assert (stop(server), server.communicate()[1]) == (0, "")
    client_secrets, server_secrets = (
        set((machine.logs(role) / "keys.log").read_text().splitlines())
        for role in ("client", "server")
    )
    assert client_secrets == server_secrets
    assert len({line.split()[1] for line in client_secrets}) == connections
    assert len(records(machine.logs("client") / "qlog")) == connections
    assert len(records(machine.logs("server") / "qlog")) == connections


def sent_and_received(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every packet of the one connection in a qlog folder, with its direction."""
    (trace,) = records(folder)
    packets: list[tuple[str, dict[str, Any]]] = []
    for record in trace:
        name, _, event = str(record.get("name")).partition(":")
        if name == "transport" and event in ("packet_sent", "packet_received"):
            data = record["data"]
            assert isinstance(data, dict)
            packets.append((event.removeprefix("packet_"), data))
    return packets


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_ecn_counts_cross_both_ways(machine: Machine, host: str) -> None:
    machine.host = host
    name = machine.serve_file("file", 300_000)
    with machine.server("ecn") as server:
        assert machine.run_client("ecn", [name]).returncode == 0
        stop(server)
    for role, least in (("client", 100), ("server", 1)):
        counts = [
            frame["ect0"]
            for direction, packet in sent_and_received(machine.logs(role) / "qlog")
            for frame in packet["frames"]
            if direction == "sent" and "ect0" in frame
        ]
        assert max(counts) >= least


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_client_moves_to_the_preferred_address(machine: Machine, host: str) -> None:
    machine.host = host
    name = machine.serve_file("file", 2_000_000)
    with machine.server("connectionmigration") as server:
        client = machine.run_client("transfer", [name])
        assert (client.returncode, client.stderr) == (0, "")
        stop(server)
    assert machine.has([name])
    packets = [
        packet
        for direction, packet in sent_and_received(machine.logs("client") / "qlog")
        if direction == "sent" and packet["header"]["packet_type"] == "1RTT"
    ]
    challenge = next(
        number
        for number, packet in enumerate(packets)
        if any(frame["frame_type"] == "path_challenge" for frame in packet["frames"])
    )
    before = {packet["header"]["dcid"] for packet in packets[:challenge]}
    after = packets[challenge]["header"]["dcid"]
    assert after not in before
    assert packets[-1]["header"]["dcid"] == after


def test_a_client_migrates_if_it_is_told_to(machine: Machine) -> None:
    machine.host = "127.0.0.1"
    name = machine.serve_file("file", 2_000_000)
    params = f"downloads={machine.downloads} certs={machine.certs} migrate=127.0.0.2"
    machine.client_environment["CLIENT_PARAMS"] = params
    with machine.server("transfer") as server:
        client = machine.run_client("transfer", [name])
        assert (client.returncode, client.stderr) == (0, "")
        stop(server)
    assert machine.has([name])
    packets = [
        packet
        for direction, packet in sent_and_received(machine.logs("client") / "qlog")
        if direction == "sent" and packet["header"]["packet_type"] == "1RTT"
    ]
    frames = [{frame["frame_type"] for frame in packet["frames"]} for packet in packets]
    probe = next(number for number, types in enumerate(frames) if "path_challenge" in types)
    new = packets[probe]["header"]["dcid"]
    assert frames[probe] <= {"path_challenge", "padding"}, "a probing packet (RFC 9000, 9.1)"
    assert new not in {packet["header"]["dcid"] for packet in packets[:probe]}
    assert packets[-1]["header"]["dcid"] == new


def test_a_client_that_cannot_migrate_says_so(machine: Machine) -> None:
    name = machine.serve_file("file", 1024)
    params = f"downloads={machine.downloads} certs={machine.certs} migrate=203.0.113.1"
    machine.host = "127.0.0.1"
    machine.client_environment["CLIENT_PARAMS"] = params
    with machine.server("transfer"):
        client = machine.run_client("transfer", [name])
    assert client.returncode == 1
    assert "cannot migrate to 203.0.113.1" in client.stderr
    assert client.stderr.count("\n") == 1


def test_a_client_learns_the_versions_and_leaves(machine: Machine) -> None:
    with machine.server("versionnegotiation"):
        client = machine.run_client("versionnegotiation", [""])
    assert (client.returncode, client.stderr) == (0, "")
    assert list(machine.downloads.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_both_families_are_served_by_one_socket(machine: Machine, host: str) -> None:
    machine.host = host
    name = machine.serve_file("file", 1024)
    with machine.server("handshake"):
        assert machine.run_client("handshake", [name]).returncode == 0
    assert machine.has([name])


def test_1999_files_arrive(machine: Machine) -> None:
    names = [machine.serve_file(f"file{n}", 32) for n in range(1999)]
    with machine.server("transfer"):
        client = machine.run_client("transfer", names)
    assert (client.returncode, client.stderr) == (0, "")
    assert machine.has(names)


def test_memory_does_not_grow_with_the_file(machine: Machine) -> None:
    size = 100_000_000
    with (machine.www / "big").open("wb") as file:
        file.truncate(size)
    measured = (
        sys.executable,
        "-c",
        MEASURED_ENDPOINT,
    )
    with machine.server("transfer", measured) as server:
        client = machine.run_client("transfer", ["big"], measured)
        assert client.returncode == 0
        assert stop(server) == 0
        server_error = server.communicate()[1]
    assert (machine.downloads / "big").stat().st_size == size
    for peak_kib in (client.stderr, server_error):
        assert 10_000 < int(peak_kib) < 150_000


@pytest.mark.parametrize("testcase", ["transfer", "http3"])
def test_a_missing_file_fails_the_client_and_only_that(machine: Machine, testcase: str) -> None:
    name = machine.serve_file("there", 1024)
    with machine.server(testcase) as server:
        client = machine.run_client(testcase, ["missing", name])
        assert client.returncode == 1
        assert "/missing: " in client.stderr
        assert client.stderr.count("\n") == 1
        assert machine.run_client(testcase, [name]).returncode == 0
        assert stop(server) == 0
    assert (machine.downloads / name).read_bytes() == (machine.www / name).read_bytes()


@pytest.mark.parametrize("testcase", ["transfer", "http3"])
def test_nothing_outside_of_www_is_served(machine: Machine, testcase: str) -> None:
    (machine.folder / "secret").write_text("secret")
    (machine.www / "link").symlink_to(machine.folder / "secret")
    (machine.www / "folder").mkdir()
    os.mkfifo(machine.www / "fifo")
    names = ["../secret", "x/../../secret", "%2e%2e%2fsecret", "link", "folder", "fifo"]
    with machine.server(testcase):
        for name in names:
            assert machine.run_client(testcase, [name]).returncode == 1
    assert not any(file.stat().st_size for file in machine.downloads.iterdir())


def test_the_client_follows_no_link_in_downloads(machine: Machine) -> None:
    name = machine.serve_file("file", 1024)
    outside = machine.folder / "outside"
    outside.write_text("untouched")
    (machine.downloads / name).symlink_to(outside)
    with machine.server("handshake"):
        client = machine.run_client("handshake", [name])
    assert client.returncode == 1
    assert "cannot write" in client.stderr
    assert outside.read_text() == "untouched"


def test_a_stopped_server_leaves_complete_logs_and_says_goodbye(machine: Machine) -> None:
    name = machine.serve_file("big", 30_000_000)
    with (
        machine.server("transfer") as server,
        subprocess.Popen(
            ENDPOINT,
            env=machine.environment("client", "transfer", [name]),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        wait_for_data(machine.downloads / name, client)
        assert stop(server) == 0
        assert client.wait(timeout=10) == 1
        assert client.stderr is not None
        assert (
            "1 files incomplete: the connection ended with application error 0x0"
            in client.stderr.read()
        )
    (trace,) = records(machine.logs("server") / "qlog")
    assert trace[0]["qlog_format"] == "JSON-SEQ"
    assert any(record.get("name") == "transport:packet_sent" for record in trace)
    assert "connection_close" in json.dumps(trace[-3:])
    assert len((machine.logs("server") / "keys.log").read_text().splitlines()) == 4


def test_a_stopped_client_leaves_complete_logs(machine: Machine) -> None:
    name = machine.serve_file("big", 30_000_000)
    with (
        machine.server("transfer"),
        subprocess.Popen(
            ENDPOINT,
            env=machine.environment("client", "transfer", [name]),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        wait_for_data(machine.downloads / name, client)
        client.send_signal(signal.SIGTERM)
        assert client.wait(timeout=10) == 1
        assert client.stderr is not None
        assert "stopped by a signal" in client.stderr.read()
    (trace,) = records(machine.logs("client") / "qlog")
    assert "connection_close" in json.dumps(trace[-3:])


@pytest.mark.parametrize("role", ["client", "server"])
def test_an_unknown_test_case_is_refused(machine: Machine, role: str) -> None:
    environment = machine.environment(role, "tzqplbvn")
    done = subprocess.run(
        ENDPOINT,
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 127
    assert "TESTCASE" in done.stderr


@pytest.mark.parametrize(
    ("role", "changes", "message"),
    [
        ("server", {"ROLE": "proxy"}, "ROLE is 'proxy'"),
        ("client", {"REQUESTS": ""}, "REQUESTS is empty"),
        ("client", {"REQUESTS": "https://no.such.host.invalid/x"}, "no.such.host.invalid"),
        ("client", {"CLIENT_PARAMS": "certs=/nonexistent"}, "/nonexistent/ca.pem"),
        ("server", {"SERVER_PARAMS": "certs=/nonexistent"}, "/nonexistent/cert.pem"),
        ("server", {"SSLKEYLOGFILE": "/proc/keys.log"}, "SSLKEYLOGFILE: /proc/keys.log"),
        ("server", {"QLOGDIR": "/proc/qlog"}, "QLOGDIR: /proc/qlog"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    machine: Machine, role: str, changes: dict[str, str], message: str
) -> None:
    name = machine.serve_file("file", 10)
    done = subprocess.run(
        ENDPOINT,
        env=machine.environment(role, "handshake", [name]) | changes,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_named(machine: Machine) -> None:
    with machine.server("handshake"):
        again = subprocess.run(
            ENDPOINT,
            env=machine.environment("server", "handshake"),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            timeout=10,
            check=False,
        )
    assert again.returncode == 1
    assert f"port={machine.port}" in again.stderr


def test_a_server_that_nobody_can_trust_is_not_trusted(machine: Machine, tmp_path: Path) -> None:
    name = machine.serve_file("file", 1024)
    other = write_certificates(tmp_path / "other")
    machine.client_environment["CLIENT_PARAMS"] = f"downloads={machine.downloads} certs={other}"
    with machine.server("handshake"):
        client = machine.run_client("handshake", [name])
    assert client.returncode == 1
    assert "error 0x1" in client.stderr


def test_a_server_with_another_name_is_not_trusted(machine: Machine) -> None:
    name = machine.serve_file("file", 1024)
    write_certificates(machine.certs, names=("server6",))
    with machine.server("handshake"):
        client = machine.run_client("handshake", [name])
    assert client.returncode == 1
    assert "localhost" in client.stderr


def test_a_client_closes_without_error(machine: Machine) -> None:
    name = machine.serve_file("file", 1024)
    with machine.server("http3") as server:
        assert machine.run_client("http3", [name]).returncode == 0
        stop(server)
    (trace,) = records(machine.logs("server") / "qlog")
    closes = [record for record in trace if "connection_close" in json.dumps(record)]
    assert '"raw_error_code": 256' in json.dumps(closes)


def test_the_readiness_probe_is_answered_with_the_versions(machine: Machine) -> None:
    with machine.server("handshake") as server:
        answer = wait_until_ready(machine.port, server)
    assert answer[1:5] == bytes(4), "Version Negotiation (RFC 9000, 17.2.1)"
    assert answer[7:] == (1).to_bytes(4, "big"), "version 1 alone, outside of v2"


def test_small_probes_are_not_answered(machine: Machine) -> None:
    """RFC 9000, 6.1: otherwise the server would amplify."""
    with machine.server("handshake"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", machine.port))
        udp.settimeout(0.3)
        udp.send(b"\xc0\x57\x41\x49\x54\x00\x00".ljust(1199, b"\0"))
        with pytest.raises(TimeoutError):
            udp.recv(2048)
