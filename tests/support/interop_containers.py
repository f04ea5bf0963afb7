"""A pair of images as quic-interop-runner runs them, written down anew from its compose file.

Two bridges without a way out, three containers with its addresses, names, environment, capabilities
and terminals; /logs is not mounted, but copied out. At the end the network and the server are
stopped; they have longer for it than there, since machines that run tests are busy.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT

SCENARIO = "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25"
GRACE_S = 20
LINKS = {
    "left": ("193.167.0.0/24", "fd00:cafe:cafe::/64"),
    "right": ("193.167.100.0/24", "fd00:cafe:cafe:100::/64"),
}


@dataclass(frozen=True)
class Outcome:
    status: int
    """The client's."""
    server_status: int
    sim_status: int
    output: Mapping[str, str]
    logs: Mapping[str, Mapping[str, bytes]]
    """Per container, the files of /logs."""


class InteropContainers:
    def __init__(self, engine: Any, name: str) -> None:
        self._engine = engine
        self._api = engine.api
        self._name = name

    @contextmanager
    def networks(self) -> Iterator[None]:
        with ExitStack() as stack:
            for link, subnets in LINKS.items():
                network = self._engine.networks.create(
                    f"{self._name}-{link}",
                    driver="bridge",
                    enable_ipv6=True,
                    options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
                    ipam=_pools(subnets),
                )
                stack.callback(network.remove)
            yield

    def run(
        self,
        *,
        sim: str,
        client: str,
        server: str,
        testcase: str,
        requests: str,
        folders: Path,
        timeout_s: float = 60,
    ) -> Outcome:
        """Run a pair once; ``folders`` has www, certs and downloads in it."""
        logs = {"SSLKEYLOGFILE": "/logs/keys.log", "QLOGDIR": "/logs/qlog/", "TESTCASE": testcase}
        certs = f"{folders}/certs:/certs:ro"
        with ExitStack() as stack:
            ids = {
                "sim": self._create(
                    stack,
                    "sim",
                    image=sim,
                    environment={"SCENARIO": SCENARIO, "WAITFORSERVER": "server:443"},
                    links={"left": SIM_LEFT, "right": SIM_RIGHT},
                    binds=[],
                    capabilities=["NET_ADMIN", "NET_RAW"],
                ),
                "server": self._create(
                    stack,
                    "server",
                    image=server,
                    environment={"ROLE": "server", "SERVER_PARAMS": "", **logs},
                    links={"right": SERVER},
                    binds=[f"{folders}/www:/www:ro", certs],
                    capabilities=["NET_ADMIN"],
                ),
                "client": self._create(
                    stack,
                    "client",
                    image=client,
                    environment={
                        "ROLE": "client",
                        "CLIENT_PARAMS": "",
                        "REQUESTS": requests,
                        **logs,
                    },
                    links={"left": CLIENT},
                    binds=[f"{folders}/downloads:/downloads:rw", certs],
                    capabilities=["NET_ADMIN"],
                ),
            }
            for one in ids.values():
                self._api.start(one)
            status = {"client": self._api.wait(ids["client"], timeout=timeout_s)["StatusCode"]}
            for name in ("sim", "server"):
                self._api.stop(ids[name], timeout=GRACE_S)
                status[name] = self._api.wait(ids[name])["StatusCode"]
            return Outcome(
                status["client"],
                status["server"],
                status["sim"],
                {name: self._api.logs(one).decode() for name, one in ids.items()},
                {name: self._files(one) for name, one in ids.items()},
            )

    def _create(
        self,
        stack: ExitStack,
        name: str,
        *,
        image: str,
        environment: Mapping[str, str],
        links: Mapping[str, Any],
        binds: list[str],
        capabilities: list[str],
    ) -> str:
        made = self._api.create_container(
            image,
            hostname=name,
            name=f"{self._name}-{name}",
            environment=dict(environment),
            stdin_open=True,
            tty=True,
            volumes=[bind.split(":")[1] for bind in binds],
            host_config=self._api.create_host_config(
                binds=binds,
                cap_add=capabilities,
                network_mode="none",
                extra_hosts={
                    "server": SERVER.ipv4,
                    "server4": SERVER.ipv4,
                    "server6": SERVER.ipv6,
                    "sim": SIM_RIGHT.ipv4 if name == "server" else SIM_LEFT.ipv4,
                },
            ),
        )["Id"]
        stack.callback(self._api.remove_container, made, force=True, v=True)
        self._api.disconnect_container_from_network(made, "none")
        for link, interface in links.items():
            self._api.connect_container_to_network(
                made,
                f"{self._name}-{link}",
                ipv4_address=interface.ipv4,
                ipv6_address=interface.ipv6,
            )
        return str(made)

    def _files(self, container: str) -> dict[str, bytes]:
        chunks, _ = self._api.get_archive(container, "/logs")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            return {
                member.name: opened.read()
                for member in archive
                if (opened := archive.extractfile(member)) is not None
            }


def _pools(subnets: tuple[str, ...]) -> dict[str, Any]:
    return {"Driver": "default", "Config": [{"Subnet": subnet} for subnet in subnets]}
