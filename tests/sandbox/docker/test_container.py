from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, cast

import pytest

from quicmatrix.runner.network.topology import SERVER, SIM_LEFT, SIM_RIGHT
from quicmatrix.runner.sandbox.docker import container
from quicmatrix.runner.sandbox.docker.container import Side, exit_of
from quicmatrix.runner.sandbox.docker.engine import Configuration, End
from quicmatrix.runner.sandbox.label import Label, Runner
from quicmatrix.runner.sandbox.model import MIB, Exit, Folders, Launch, Limits

LIMITS = Limits(memory_bytes=5, processes=6, downloads_bytes=7, downloads_entries=8, logs_bytes=9)
LAUNCH = Launch((), Path(), {"TESTCASE": "x y"}, image="me/server")


def side(name: str) -> Side:
    label = Label("run", Runner(1, 2, "boot", "3"))
    return Side(name, "sandbox", label, Folders(Path("/w"), Path("/c")), LIMITS)


def host(configuration: Configuration) -> dict[str, Any]:
    return cast("dict[str, Any]", configuration["HostConfig"])


def test_a_host_has_no_network_but_ours_and_no_rights() -> None:
    made = host(container.holder(side("client"), "network"))
    assert made["NetworkMode"] == "none"
    assert made["CapDrop"] == ["ALL"]
    assert made["ReadonlyRootfs"] is True
    assert set(made["Sysctls"].values()) == {"0"}
    assert "net.ipv4.ip_forward" in made["Sysctls"]


@pytest.mark.parametrize(("name", "sim"), [("client", SIM_LEFT), ("server", SIM_RIGHT)])
def test_a_host_knows_the_names_of_the_suite(name: str, sim: Any) -> None:
    names = host(container.holder(side(name), "network"))["ExtraHosts"]
    assert {f"sim:{sim.ipv4}", f"sim:{sim.ipv6}"} <= set(names)
    assert {f"server46:{SERVER.ipv4}", f"server46:{SERVER.ipv6}"} <= set(names)
    assert f"server4:{SERVER.ipv6}" not in names


def test_folders_are_bounded_or_read_only_and_www_is_the_servers() -> None:
    mounts = {one["Target"]: one for one in host(container.holder(side("server"), "n"))["Mounts"]}
    for name, bounds in (("/downloads", "size=7,nr_inodes=9"), ("/logs", "size=9,")):
        assert bounds in mounts[name]["VolumeOptions"]["DriverConfig"]["Options"]["o"]
        assert mounts[name]["VolumeOptions"]["Labels"][container.RUN_LABEL] == "run"
    assert mounts["/www"] == {"Type": "bind", "Target": "/www", "Source": "/w", "ReadOnly": True}
    assert mounts["/certs"]["ReadOnly"]
    client = host(container.holder(side("client"), "n"))["Mounts"]
    assert "/www" not in [one["Target"] for one in client]


def test_an_endpoint_joins_its_host_with_the_rights_and_limits_of_the_contract() -> None:
    made = container.endpoint(side("server"), LAUNCH, "sha256:12", "holder", 64 * MIB)
    assert made["Image"] == "sha256:12"
    assert made["Env"] == ["TESTCASE=x y"]
    assert "Cmd" not in made
    made_host = host(made)
    assert made_host["NetworkMode"] == made_host["PidMode"] == "container:holder"
    assert made_host["VolumesFrom"] == ["holder"]
    assert made_host["CapAdd"] == ["NET_ADMIN"]
    assert made_host["SecurityOpt"] == ["no-new-privileges"]
    assert (made_host["Memory"], made_host["MemorySwap"], made_host["PidsLimit"]) == (5, 5, 6)
    assert {"Name": "memlock", "Soft": 64 * MIB, "Hard": 64 * MIB} in made_host["Ulimits"]
    assert "CpusetCpus" not in made_host


def test_an_endpoint_may_have_less_memory_to_lock_or_a_core_to_itself() -> None:
    launch = Launch(("sh",), Path(), image="x", core=3)
    made = container.endpoint(side("client"), launch, "x", "holder", None)
    assert made["Cmd"] == ["sh"]
    assert host(made)["CpusetCpus"] == "3"
    assert [limit["Name"] for limit in host(made)["Ulimits"]] == ["core"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, Exit(0)),
        (127, Exit(127)),
        (128, Exit(128)),
        (137, Exit(None, signal.SIGKILL)),
        (143, Exit(None, signal.SIGTERM)),
        (255, Exit(255)),
    ],
)
def test_codes_above_128_are_signals_if_there_is_one(code: int, expected: Exit) -> None:
    assert exit_of(End(code, out_of_memory=False), log_overflow=False) == expected


def test_the_rest_of_an_exit_is_told_too() -> None:
    how = exit_of(End(137, out_of_memory=True), log_overflow=True)
    assert (how.out_of_memory, how.log_overflow) == (True, True)
