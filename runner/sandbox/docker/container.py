"""The configurations of a sandbox's containers, for the engine's API: pure data.

Each side has two. The holder has the namespaces, /etc/hosts, the volumes, and a process that waits
for the end of its standard input, which the runner has open. The endpoint's container joins the
network and the PID namespace of the holder, whose process is PID 1: when the holder ends, for
whatever reason, the kernel kills the endpoint. As an endpoint is never PID 1, SIGTERM ends it
unless it handles the signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from quicmatrix.runner.network.topology import NAMES, SIM_LEFT, SIM_RIGHT
from quicmatrix.runner.sandbox.docker.engine import Configuration, End
from quicmatrix.runner.sandbox.label import Label, environment
from quicmatrix.runner.sandbox.model import MIB, Exit, Folders, Launch, Limits

RUN_LABEL = "quicmatrix.run"
"""The run's id."""
RUNNER_LABEL = "quicmatrix.runner"
"""The process that the run is, as :attr:`quicmatrix.runner.sandbox.label.Runner.text`."""
SANDBOX_LABEL = "quicmatrix.sandbox"
"""One sandbox of the run, by the name of its scratch folder."""
ROLE_LABEL = "quicmatrix.role"
"""``holder`` or ``endpoint``."""

LOGS_ENTRIES = 65536
HOLDER_MEMORY = 64 * MIB
HOLDER_COMMAND = ("env", "--ignore-signal=CHLD", "cat")
"""With SIGCHLD ignored, the kernel reaps orphaned processes by itself."""
MEMLOCK = 64 * MIB
"""What the contract gives: io_uring and AF_XDP lock their buffers in memory."""

_IPV4 = ("forwarding", "send_redirects", "accept_redirects", "rp_filter")
_IPV6 = (
    *("disable_ipv6", "forwarding", "accept_ra", "router_solicitations"),
    *("accept_dad", "dad_transmits"),
)
SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    **{f"net.ipv4.conf.{scope}.{name}": "0" for scope in ("all", "default") for name in _IPV4},
    **{f"net.ipv6.conf.{scope}.{name}": "0" for scope in ("all", "default") for name in _IPV6},
}
"""No packet that no program sent; as
:func:`quicmatrix.runner.sandbox.netns.filesystem.silence_network` sets them."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of one sandbox."""

    name: str
    """``client`` or ``server``."""
    sandbox: str
    """The name of its scratch folder."""
    label: Label
    folders: Folders
    limits: Limits


def labels(side: Side, role: str) -> dict[str, str]:
    """The labels of a side's containers and volumes."""
    return {
        RUN_LABEL: side.label.run_id,
        RUNNER_LABEL: side.label.runner.text,
        SANDBOX_LABEL: side.sandbox,
        ROLE_LABEL: role,
    }


def holder(side: Side, image: str) -> Configuration:
    """The container that has a side's namespaces and volumes."""
    limits = side.limits
    marks = labels(side, "holder")
    mounts = [
        # The folder itself is an inode too.
        _volume("/downloads", limits.downloads_bytes, limits.downloads_entries + 1, marks),
        _volume("/logs", limits.logs_bytes, LOGS_ENTRIES, marks),
        _bind("/certs", side.folders.certs.absolute().as_posix()),
    ]
    if side.name == "server":
        mounts.append(_bind("/www", side.folders.www.absolute().as_posix()))
    return {
        "Image": image,
        "Entrypoint": list(HOLDER_COMMAND),
        "Cmd": [],
        "WorkingDir": "/",
        "User": "0",
        "Hostname": side.name,
        "Env": _words(environment(side.label)),
        "Labels": marks,
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "HostConfig": {
            "NetworkMode": "none",
            "ExtraHosts": _names(side.name),
            "Sysctls": SYSCTLS,
            "Mounts": mounts,
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": HOLDER_MEMORY,
            "LogConfig": {"Type": "none"},
        },
    }


def endpoint(
    side: Side, launch: Launch, image: str, holder_id: str, memlock: int | None
) -> Configuration:
    """The container that an endpoint runs in.

    Args:
        side: The side that it runs on.
        launch: What to start.
        image: The image itself, by its id.
        holder_id: The container to join.
        memlock: Bytes that it may lock in memory; None: the engine's default.
    """
    limits = side.limits
    host: dict[str, object] = {
        "NetworkMode": f"container:{holder_id}",
        "PidMode": f"container:{holder_id}",
        "VolumesFrom": [holder_id],
        "CapAdd": ["NET_ADMIN"],
        "SecurityOpt": ["no-new-privileges"],
        "Ulimits": _ulimits(memlock),
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "PidsLimit": limits.processes,
        "LogConfig": {"Type": "none"},  # what it prints is read as it comes, and bounded
    }
    if launch.core is not None:
        host["CpusetCpus"] = str(launch.core)
    return {
        "Image": image,
        **({"Cmd": list(launch.command)} if launch.command else {}),
        "Env": _words(launch.environment),
        "Labels": labels(side, "endpoint"),
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": host,
    }


def preflight_container(
    mark: Label, image: str, folder: Path, memlock: int | None
) -> Configuration:
    """A container like a holder, with an endpoint's limits."""
    return {
        "Image": image,
        "Entrypoint": list(HOLDER_COMMAND),
        "Cmd": [],
        "Env": _words(environment(mark)),
        "Labels": {RUN_LABEL: mark.run_id, RUNNER_LABEL: mark.runner.text},
        "OpenStdin": True,
        "HostConfig": {
            "NetworkMode": "none",
            "Sysctls": SYSCTLS,
            "Mounts": [_bind("/certs", folder.absolute().as_posix())],
            "Ulimits": _ulimits(memlock),
            "LogConfig": {"Type": "none"},
        },
    }


def exit_of(end: End, *, log_overflow: bool) -> Exit:
    """How a container's first process ended.

    The engine's exit code for signal n is 128 + n. Programs that exit with such a code are shells
    that report the signal that ended another program, so both are taken for the signal.
    """
    number = end.exit_code - 128
    signalled = number in set(Signals)
    return Exit(
        code=None if signalled else end.exit_code,
        signal=number if signalled else None,
        log_overflow=log_overflow,
        out_of_memory=end.out_of_memory,
    )


def _volume(target: str, size: int, entries: int, marks: Mapping[str, str]) -> dict[str, object]:
    """A tmpfs with limits, without a name, so that it goes with the last container that has it."""
    options = f"mode=777,nosuid,nodev,size={size},nr_inodes={entries}"
    return {
        "Type": "volume",
        "Target": target,
        "VolumeOptions": {
            "NoCopy": True,
            "Labels": dict(marks),
            "DriverConfig": {
                "Name": "local",
                "Options": {"type": "tmpfs", "device": "tmpfs", "o": options},
            },
        },
    }


def _ulimits(memlock: int | None) -> list[dict[str, object]]:
    limits = {"core": 0} | ({} if memlock is None else {"memlock": memlock})
    return [{"Name": name, "Soft": limit, "Hard": limit} for name, limit in limits.items()]


def _bind(target: str, source: str) -> dict[str, object]:
    return {"Type": "bind", "Target": target, "Source": source, "ReadOnly": True}


def _names(side: str) -> list[str]:
    """``NAME:ADDRESS`` for each name of each host; they are the same in a container that joins."""
    sim = SIM_LEFT if side == "client" else SIM_RIGHT
    known = (*NAMES, (sim.ipv4, "sim"), (sim.ipv6, "sim"))
    return [f"{name}:{address}" for address, names in known for name in names.split()]


def _words(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]
