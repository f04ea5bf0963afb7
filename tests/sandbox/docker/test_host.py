"""What an endpoint in a container sees, and what of it is seen from outside."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quicmatrix.runner.bundle import untrusted_files
from quicmatrix.runner.model.attempt import EntryKind
from quicmatrix.runner.sandbox.model import Launch, LaunchError, SandboxError
from quicmatrix.runner.sandbox.netns.process import interpreter
from tests.support.one_docker_sandbox import one_docker_sandbox
from tests.support.one_sandbox import SMALL

pytestmark = [pytest.mark.docker, pytest.mark.netns]

LISTEN = """
import socket
with socket.create_server(("", 57832)) as listener:
    print("open", flush=True)
    while True:
        listener.accept()[0].close()
"""


def test_each_side_has_the_network_and_the_names_of_the_suite(
    tmp_path: Path, shell_image: str
) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            _, said = await stage.shell(
                stage.client,
                "hostname; hostname -I; getent ahostsv4 server46 | head -n 1; "
                "getent ahostsv6 server46 | head -n 1; ls /sys/class/net; ip route get 8.8.8.8",
            )
            lines = said.splitlines()
            assert lines[0] == "client"
            assert lines[1].split() == ["193.167.0.100", "fd00:cafe:cafe::100"]
            assert lines[2].split()[0] == "193.167.100.100"
            assert lines[3].split()[0] == "fd00:cafe:cafe:100::100"
            assert lines[4:6] == ["eth0", "lo"]
            assert "unreachable" in lines[6]
            _, said = await stage.shell(stage.server, "hostname; getent ahostsv4 sim | head -n 1")
            assert said.split()[:2] == ["server", "193.167.100.2"]

    asyncio.run(story())


def test_the_base_images_setup_and_wait_find_what_they_expect(
    tmp_path: Path, shell_image: str
) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            launch = Launch((*interpreter(), "-c", LISTEN), Path("/"))
            await stage.sandbox.sim.start(launch, tmp_path / "sim.log")
            # The routes are made as the suite's own base image makes them, which is not ours.
            script = (
                "set -e; ip route add 193.167.0.0/16 via $(hostname -I | cut -d. -f1-3).2;"
                " /setup.sh; test -d /logs/qlog; /wait-for-it.sh sim:57832 -s -t 30"
            )
            for host in (stage.client, stage.server):
                how, said = await stage.shell(host, script)
                assert how.code == 0, said
                assert "File exists" not in said

    asyncio.run(story())


def test_folders_are_what_the_contract_says(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            _, said = await stage.shell(
                stage.server, "cat /www/index /certs/ca.pem; touch /www/x; touch /certs/x"
            )
            assert "servedtrusted" in said
            assert said.count("Read-only file system") == 2
            _, said = await stage.shell(stage.client, "ls /www; head -c 5M /dev/zero >/downloads/x")
            assert "/www" in said
            assert "No space left" in said
            _, said = await stage.shell(stage.client, "for i in {1..200}; do >/downloads/$i; done")
            assert "No space left" in said
            entries = stage.client.folder("/downloads").iterdir()
            assert len(list(entries)) == SMALL.downloads_entries

    asyncio.run(story())


def test_links_in_downloads_lead_nowhere(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            await stage.shell(
                stage.client,
                "cd /downloads; echo data >file; ln -s /certs/ca.pem link; ln -s / root;"
                " mkfifo fifo; cp -P link /logs; echo key >/logs/keys.log",
            )
            records, complete = untrusted_files.manifest(
                stage.client.folder("/downloads"), max_entries=100, max_bytes=1000
            )
            kinds = {record.name: record.kind for record in records}
            assert complete
            assert kinds == {
                "fifo": EntryKind.OTHER,
                "file": EntryKind.FILE,
                "link": EntryKind.LINK,
                "root": EntryKind.LINK,
            }
            notes = untrusted_files.copy_out(
                stage.client.folder("/logs"), tmp_path / "out", max_bytes=1000, max_files=10
            )
            assert notes == ("link: not a file",)
            assert (tmp_path / "out" / "keys.log").read_text() == "key\n"

    asyncio.run(story())


def test_an_endpoint_may_configure_its_network_and_nothing_of_the_machine(
    tmp_path: Path, shell_image: str
) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            _, said = await stage.shell(
                stage.client,
                "ip link set eth0 mtu 1400 && echo mtu; mount -t tmpfs x /mnt || echo no mount;"
                " grep -E 'CapEff|NoNewPrivs' /proc/self/status; cat /proc/sys/net/ipv4/ip_forward",
            )
            assert "mtu" in said
            assert "no mount" in said
            assert "NoNewPrivs:\t1" in said
            assert said.endswith("\n0\n")  # though it is 1 on every machine with this engine

    asyncio.run(story())


def test_what_cannot_be_started_is_told_apart(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            with pytest.raises(LaunchError, match="only images"):
                await stage.client.start(Launch(("sh",), Path("/")), tmp_path / "log")
            launch = Launch((), Path("/"), image="quicmatrix/is-not-there:latest")
            with pytest.raises(SandboxError, match="No such image"):
                await stage.client.start(launch, tmp_path / "log")

    asyncio.run(story())
