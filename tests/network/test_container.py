from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from quicmatrix.runner.bundle import capture
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.container import (
    Options,
    finish_captures,
    link_captures,
    parse_environment,
)
from quicmatrix.runner.network.recording.capture_writer import CaptureWriter
from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_READY_PORT
from tests.support.three_hosts import ThreeHosts, three_hosts

ROOT = Path(__file__).parents[2]
SCENARIO = "simple-p2p --delay=1ms --bandwidth=10Mbps --queue=25"
VERSION_NEGOTIATION = b"\x80" + bytes(20)


@pytest.fixture
def hosts() -> Iterator[ThreeHosts]:
    with three_hosts() as hosts:
        yield hosts


@contextmanager
def container(
    hosts: ThreeHosts, logs: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        hosts.sim.command(sys.executable, "-P", "-m", "quicmatrix.runner.network.container"),
        env={**os.environ, "LOGS": str(logs), **environment},
        stdin=subprocess.DEVNULL,  # as without -i: that it ends must not mean anything
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def connect_to_the_sim(hosts: ThreeHosts) -> None:
    """As client images find out whether they may start."""
    address = ("193.167.0.2", SIM_READY_PORT)
    hosts.client.inside(socket.create_connection, address, timeout=5).close()


def lines_until_it_captures(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line == '{"event": "capturing"}\n':
            return lines
    raise AssertionError(lines)


def forward(hosts: ThreeHosts, *datagrams: bytes) -> None:
    """Both ways, the last one last."""
    with (
        hosts.client.udp(CLIENT.ipv4, 5000) as client,
        hosts.server.udp(SERVER.ipv4, 443) as server,
    ):
        for datagram in datagrams:
            client.sendto(datagram, (SERVER.ipv4, 443))
            assert server.recv(2000) == datagram
            server.sendto(datagram, (CLIENT.ipv4, 5000))
            assert client.recv(2000) == datagram


def test_all_variables() -> None:
    orders = parse_environment(
        {
            "SCENARIO": f" {SCENARIO}",
            "SEED": "7",
            "WAITFORSERVER": "server:443",
            "LOGS": "/elsewhere",
        }
    )
    assert orders == Options(SCENARIO, 7, Path("/elsewhere"), ("server", 443))


def test_only_the_scenario_is_needed_and_each_seed_is_new() -> None:
    orders = [
        parse_environment({"SCENARIO": SCENARIO, "WAITFORSERVER": "", "SEED": ""}) for _ in range(2)
    ]
    assert orders[0].logs == Path("/logs")
    assert orders[0].server is None
    assert orders[0].seed != orders[1].seed


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "SCENARIO"),
        ({"SCENARIO": SCENARIO, "SEED": "-1"}, "SEED"),
        ({"SCENARIO": SCENARIO, "WAITFORSERVER": "server"}, "WAITFORSERVER"),
        ({"SCENARIO": SCENARIO, "WAITFORSERVER": ":443"}, "WAITFORSERVER"),
    ],
)
def test_what_is_wrong_is_named(environment: dict[str, str], name: str) -> None:
    with pytest.raises(UserError) as error:
        parse_environment(environment)
    assert error.value.message.startswith(name)
    assert error.value.hint


@pytest.mark.netns
def test_it_forwards_captures_and_ends_on_sigterm(hosts: ThreeHosts, tmp_path: Path) -> None:
    hosts.sim.ip(f"neigh del {CLIENT.ipv4} dev eth0", f"neigh del {SERVER.ipv4} dev eth1")
    with container(hosts, tmp_path, {"SCENARIO": SCENARIO, "SEED": "7"}) as process:
        assert f"Using scenario: {SCENARIO}, seed 7" in lines_until_it_captures(process)
        connect_to_the_sim(hosts)
        forward(hosts, b"one", b"two")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["forwarded"] == {"to_server": 2, "to_client": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "link.jsonl",
        "trace_node_left.pcap",
        "trace_node_right.pcap",
    ]
    for side in ("left", "right"):
        packets = list(capture.read_packets(tmp_path / f"trace_node_{side}.pcap"))
        assert [packet.frame[-3:] for packet in packets] == [b"one", b"one", b"two", b"two"]
        assert packets == sorted(packets, key=lambda packet: packet.time_ns)


@pytest.mark.netns
def test_the_captures_exist_if_it_is_killed(hosts: ThreeHosts, tmp_path: Path) -> None:
    with container(hosts, tmp_path, {"SCENARIO": SCENARIO}) as process:
        lines_until_it_captures(process)
        assert (tmp_path / "trace_node_left.pcap").exists()
        assert (tmp_path / "trace_node_right.pcap").exists()


@pytest.mark.netns
def test_it_waits_for_the_server_before_it_lets_clients_begin(
    hosts: ThreeHosts, tmp_path: Path
) -> None:
    environment = {"SCENARIO": SCENARIO, "WAITFORSERVER": f"{SERVER.ipv4}:443"}
    with (
        hosts.server.udp(SERVER.ipv4, 443) as server,
        container(hosts, tmp_path, environment) as process,
    ):
        probe, asker = server.recvfrom(2000)
        assert probe[:5] == b"\xc0WAIT"
        assert len(probe) == 1207
        with pytest.raises(ConnectionRefusedError):
            connect_to_the_sim(hosts)
        server.sendto(VERSION_NEGOTIATION, asker)
        lines = lines_until_it_captures(process)
        assert lines[0].startswith(f"{SERVER.ipv4}:443 is available after ")
        connect_to_the_sim(hosts)


@pytest.mark.netns
def test_a_signal_ends_the_waiting_too(hosts: ThreeHosts, tmp_path: Path) -> None:
    environment = {"SCENARIO": SCENARIO, "WAITFORSERVER": f"{SERVER.ipv4}:443"}
    with (
        hosts.server.udp(SERVER.ipv4, 443) as server,
        container(hosts, tmp_path, environment) as process,
    ):
        server.recv(2000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


@pytest.mark.netns
def test_an_invalid_scenario_is_a_user_error(hosts: ThreeHosts, tmp_path: Path) -> None:
    with container(hosts, tmp_path, {"SCENARIO": "simple-p3p"}) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "unknown scenario 'simple-p3p'" in err


@pytest.mark.netns
def test_hosts_that_did_not_answer_in_time_are_reached_by_broadcast(
    hosts: ThreeHosts, tmp_path: Path
) -> None:
    hosts.sim.ip(f"neigh del {SERVER.ipv4} dev eth1")
    quiet = hosts.server.command("sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=8")
    subprocess.run(quiet, check=True)
    with container(hosts, tmp_path, {"SCENARIO": SCENARIO}) as process:
        lines = lines_until_it_captures(process)
        assert any(line.startswith(f"{SERVER.ipv4} does not answer") for line in lines)
        forward(hosts, b"one")


def test_files_of_a_run_before_are_replaced(tmp_path: Path) -> None:
    for raw, name in (("left", "left"), ("right", "right")):
        (tmp_path / f"trace_node_{name}.pcap").write_bytes(b"old")
        writer = CaptureWriter(tmp_path / f"{raw}.raw.pcapng", raw, "", 1 << 20)
        writer.write(1, bytes(60), "")
        writer.close()
    link_captures(tmp_path)
    assert len(list(capture.read_packets(tmp_path / "trace_node_left.pcap"))) == 1
    finish_captures(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert len(list(capture.read_packets(tmp_path / "trace_node_right.pcap"))) == 1


def test_the_image_has_all_that_the_program_imports(tmp_path: Path) -> None:
    dockerfile = (ROOT / "docker/network/Dockerfile").read_text(encoding="utf-8")
    copied = []
    for line in re.findall(r"^COPY (.+ /opt/network/.+)$", dockerfile, re.MULTILINE):
        *sources, target = line.split()
        folder = tmp_path / target.lstrip("/")
        for source in sources:
            copied.append(source)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, folder)
    assert [name for name in copied if not name.endswith("__init__.py")] == [
        "runner/errors.py",
        "runner/bundle/capture.py",
        "runner/bundle/regular_file.py",
        "runner/network",
    ]
    home = str(tmp_path / "opt/network")
    # -I and -S: without this project and its dependencies, as in the image.
    code = f"import sys; sys.path.insert(0, {home!r}); import quicmatrix.runner.network.container"
    code += "; print(sys.modules['quicmatrix'].__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout) == ("", f"{home}/quicmatrix/__init__.py\n")
