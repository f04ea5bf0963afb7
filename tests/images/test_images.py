"""The images: what is in them, and that they work where quic-interop-runner puts them."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import random
import shutil
import socket
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from quicmatrix.runner.bundle import capture
from quicmatrix.runner.execute import pki
from tests.support.interop_containers import InteropContainers

ROOT = Path(__file__).parent.parent.parent
WAIT = ROOT / "docker/base/wait-for-it.sh"


# --- Without an engine ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "needed"), [("endpoint", {"aioquic", "cryptography"}), ("runner", None)]
)
def test_an_image_pins_what_the_project_wants(image: str, needed: set[str] | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {one.name: one for one in map(Requirement, project["dependencies"])}
    lines = (ROOT / f"docker/{image}/requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    for name in needed or wanted:
        assert wanted[name].specifier.contains(pinned[name]), name


def wait_for(port: int, *words: str) -> subprocess.CompletedProcess[str]:
    command = (str(WAIT), f"127.0.0.1:{port}", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_waiting_ends_when_the_port_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = wait_for(server.getsockname()[1], "-s", "-t", "30", "--", "echo", "on we go")
    assert done.returncode == 0
    assert done.stdout.endswith("is open after 0 s\non we go\n")


def test_waiting_in_vain_ends_too(unused_port: int) -> None:
    strict = wait_for(unused_port, "--strict", "--timeout=1", "-q", "--", "echo", "never")
    assert (strict.returncode, strict.stdout, strict.stderr) == (124, "", "")
    lenient = wait_for(unused_port, "-t", "1", "--", "sh", "-c", "echo all the same; exit 3")
    assert lenient.returncode == 3
    assert lenient.stdout.endswith("all the same\n")


@pytest.fixture
def unused_port() -> Iterator[int]:
    with socket.socket() as bound:  # bound, but nobody listens: nobody else can either
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.mark.parametrize("words", [(), ("-t", "soon"), ("nonsense",)])
def test_wrong_usage_is_explained(words: tuple[str, ...]) -> None:
    done = subprocess.run((WAIT, *words), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Usage: wait-for-it.sh")


def test_without_a_docker_command_the_way_out_is_named(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "basename", "xargs"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    done = images_script(PATH=str(tmp_path))
    assert done.returncode == 2
    assert "there is no docker command" in done.stderr
    assert "scripts/engine" in done.stderr


def test_without_an_engine_the_way_out_is_named(tmp_path: Path) -> None:
    if shutil.which("docker") is None:
        pytest.skip("no docker command")
    done = images_script(DOCKER_HOST=f"unix://{tmp_path}/nobody")
    assert done.returncode == 2
    assert "no Docker engine answers" in done.stderr
    assert "scripts/engine" in done.stderr


def test_an_engine_elsewhere_is_asked_and_never_started(tmp_path: Path) -> None:
    done = subprocess.run(
        (ROOT / "scripts/engine",),
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"engine: no engine answers at unix://{tmp_path}/nobody\n"


def test_an_unknown_image_is_refused_with_those_that_exist() -> None:
    done = images_script("endpiont")
    assert done.returncode == 2
    assert "endpiont. There are: base endpoint tester network" in done.stderr


def images_script(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("bash", ROOT / "scripts/images", *words),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# --- With one -------------------------------------------------------------------------------------


@pytest.mark.docker
def test_what_has_not_changed_is_not_built_again(images: Mapping[str, str]) -> None:
    done = images_script()
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("images: ") for line in done.stderr.splitlines()]
    assert said == [f"{tag}: up to date" for tag in images.values()]


@pytest.mark.docker
@pytest.mark.parametrize("name", ["endpoint", "runner"])
def test_no_layer_has_the_machines_certificates_or_build_tools(
    docker_engine: Any, images: Mapping[str, str], name: str
) -> None:
    paths = [path for path, _ in _files(docker_engine, images[name])]
    assert any(path.endswith("site-packages/aioquic/__init__.py") for path in paths)
    unwanted = (
        "certificates/",
        "ca-certificates.crt",
        "site-packages/pip/",
        "var/lib/apt/lists/deb",
    )
    assert not [path for path in paths if any(word in path for word in unwanted)]


@pytest.mark.docker
def test_images_say_what_they_are(docker_engine: Any, images: Mapping[str, str]) -> None:
    for tag in images.values():
        labels = docker_engine.images.get(tag).labels
        assert "quicmatrix" in labels["org.opencontainers.image.title"]
        assert labels["org.opencontainers.image.description"]


@pytest.mark.docker
def test_setup_takes_all_routes_through_the_middlebox_as_often_as_it_is_called(
    docker_engine: Any, images: Mapping[str, str]
) -> None:
    program = """
        ip link add eth0 type veth peer name far && ip link set eth0 up && ip link set far up
        ip address add 193.167.0.100/24 dev eth0
        ip address add fd00:cafe:cafe::100/64 dev eth0 nodad
        /setup.sh && ip -4 route && ip -6 route show dev eth0 | grep -v fe80 && ls -d /logs/qlog
        echo "--- again"
        /setup.sh && ip -4 route && ip -6 route show dev eth0 | grep -v fe80 && ls -d /logs/qlog
    """
    output = docker_engine.containers.run(
        images["base"],
        ["-c", program],
        entrypoint="bash",
        network_mode="none",
        cap_add=["NET_ADMIN"],
        sysctls={"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.default.disable_ipv6": "0"},
        remove=True,
    ).decode()
    first, second = output.split("--- again\n")
    assert first == second
    routes = [line.split() for line in first.splitlines() if " via " in line]
    assert [(words[0], words[2]) for words in routes] == [
        ("193.167.0.0/16", "193.167.0.2"),
        ("fd00:cafe:cafe::/48", "fd00:cafe:cafe::2"),
    ]
    assert "193.167.0.0/24" not in first
    assert "fd00:cafe:cafe::/64" not in first
    assert first.endswith("/logs/qlog\n")


@pytest.mark.docker
@pytest.mark.parametrize("name", ["endpoint", "ngtcp2"])
def test_an_unknown_testcase_is_the_containers_exit_code(
    docker_engine: Any, images: Mapping[str, str], name: str
) -> None:
    container = docker_engine.containers.run(
        images[name],
        environment={"ROLE": "server", "TESTCASE": "no-such-test"},
        network_mode="none",
        detach=True,
    )
    try:
        assert container.wait(timeout=20)["StatusCode"] == 127
    finally:
        container.remove(force=True)


@pytest.mark.docker
def test_a_client_that_waits_for_the_network_hears_signals(
    docker_engine: Any, images: Mapping[str, str]
) -> None:
    container = docker_engine.containers.run(
        images["endpoint"],
        environment={"ROLE": "client", "TESTCASE": "handshake"},
        network_mode="none",
        extra_hosts={"sim": "127.0.0.1"},
        detach=True,
    )
    try:
        heard = False
        for line in container.logs(stream=True):  # to its end, which is the container's
            if b"waiting for sim:57832" in line:
                container.stop(timeout=20)
                heard = True
        assert heard
        assert container.wait()["StatusCode"] == 143, "ended by SIGTERM, and not by SIGKILL"
    finally:
        container.remove(force=True)


@pytest.mark.docker
def test_the_images_run_in_quic_interop_runners_containers(
    docker_engine: Any, images: Mapping[str, str], pair: Path
) -> None:
    containers = InteropContainers(docker_engine, f"quicmatrix-test-{os.getpid()}")
    with containers.networks():
        over_ipv4 = containers.run(
            sim=images["network"],
            client=images["endpoint"],
            server=images["ngtcp2"],
            testcase="transfer",
            requests="https://server4:443/file",
            folders=pair,
        )
        assert over_ipv4.status == 0, over_ipv4.output
        assert (pair / "downloads/file").read_bytes() == (pair / "www/file").read_bytes()
        (pair / "downloads/file").unlink()
        over_ipv6 = containers.run(
            sim=images["network"],
            client=images["ngtcp2"],
            server=images["endpoint"],
            testcase="http3",
            requests="https://server6:443/file",
            folders=pair,
        )
    assert over_ipv6.status == 0, over_ipv6.output
    assert (pair / "downloads/file").read_bytes() == (pair / "www/file").read_bytes()
    for outcome, ether_type in ((over_ipv4, b"\x08\x00"), (over_ipv6, b"\x86\xdd")):
        assert outcome.sim_status == 0, "it was not done when it was killed"
        assert outcome.server_status == 0
        for side in ("client", "server"):
            assert b"CLIENT_TRAFFIC_SECRET_0 " in outcome.logs[side]["logs/keys.log"]
        for side in ("left", "right"):
            raw = pair / "capture"
            raw.write_bytes(outcome.logs["sim"][f"logs/trace_node_{side}.pcap"])
            packets = list(capture.read_packets(raw))
            assert sum(len(packet.frame) for packet in packets) > len(
                (pair / "www/file").read_bytes()
            )
            assert {packet.frame[12:14] for packet in packets} == {ether_type}


@pytest.mark.docker
def test_one_pair_by_hand(images: Mapping[str, str], pair: Path) -> None:
    compose = _compose()
    assert images
    environment = {
        "CLIENT": images["endpoint"],
        "SERVER": images["ngtcp2"],
        "TESTCASE": "handshake",
        "REQUESTS": "https://server4:443/file",
        "WWW": str(pair / "www"),
        "CERTS": str(pair / "certs"),
        "DOWNLOADS": str(pair / "downloads"),
        "LOGS": str(pair / "logs"),
        "MEMLOCK": "65536",  # what every machine allows
        "SEED": "11",
        "COMPOSE_PROJECT_NAME": f"quicmatrix-test-{os.getpid()}",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*compose, "-f", ROOT / "docker/compose.yaml", *words),
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    try:
        done = run("up", "--abort-on-container-exit", "--exit-code-from", "client")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "seed 11" in done.stdout
    finally:
        run("down", "--volumes")
    assert (pair / "downloads/file").read_bytes() == (pair / "www/file").read_bytes()
    assert list(capture.read_packets(pair / "logs/sim/trace_node_left.pcap"))
    assert (pair / "logs/server/keys.log").exists()


@pytest.mark.docker
@pytest.mark.tshark
def test_the_runners_image_runs_a_test(
    docker_engine: Any, images: Mapping[str, str], tmp_path: Path
) -> None:
    container = docker_engine.containers.run(
        images["runner"],
        ["run", "-c", "reference", "-s", "reference", "-t", "handshake"],
        cap_add=["SYS_ADMIN", "NET_ADMIN"],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        network_mode="none",
        volumes={str(tmp_path): {"bind": "/work", "mode": "rw"}},
        detach=True,
    )
    try:
        status = container.wait(timeout=60)["StatusCode"]
        assert status == 0, container.logs().decode()
    finally:
        container.remove(force=True)
    document = json.loads((tmp_path / "runs/latest/result.json").read_text(encoding="utf-8"))
    assert [one["result"] for row in document["results"] for one in row] == ["succeeded"]


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    for name in ("www", "certs", "downloads"):
        (tmp_path / name).mkdir()
    pki.issue(dt.datetime.now(dt.UTC)).write(tmp_path / "certs")
    (tmp_path / "www/file").write_bytes(random.Random(1).randbytes(300_000))
    return tmp_path


def _compose() -> tuple[str, ...]:
    for command in (("docker", "compose"), ("docker-compose",)):
        try:
            subprocess.run((*command, "version"), capture_output=True, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            continue
        return command
    pytest.skip("neither docker compose nor docker-compose is installed")


def _files(engine: Any, tag: str) -> Iterator[tuple[str, int]]:
    """Names and sizes of the files in all layers, those that a later one removes included."""
    saved = io.BytesIO(b"".join(engine.images.get(tag).save()))
    with tarfile.open(fileobj=saved) as archive:
        for member in archive:
            layer = archive.extractfile(member)
            if layer is None or not tarfile.is_tarfile(layer):
                continue
            layer.seek(0)
            with tarfile.open(fileobj=layer) as files:
                for file in files:
                    yield file.name, file.size
