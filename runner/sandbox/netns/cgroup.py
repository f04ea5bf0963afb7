"""Control groups, version 1 or 2: they limit the memory and the processes of one host.

New groups are made below our own (version 1), or below the nearest ancestor of our own that hands
its controllers on to its children (version 2, which forbids processes and children in one group).
So whatever limits apply to the runner apply to its hosts too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quicmatrix.runner.sandbox.model import Limits, SandboxError

REMOVAL_S = 5.0
"""How long a group may stay busy after its last process died."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A group in which we may make groups."""

    folder: Path
    controllers: frozenset[str]
    """``memory``, ``pids`` or both."""
    version: int


@dataclass(frozen=True, slots=True)
class Group:
    """One host's group: a folder in each hierarchy that is used."""

    folders: tuple[Path, ...] = ()
    limited: frozenset[str] = frozenset()
    """``memory``, ``pids``, both or nothing."""

    def add(self, pid: int) -> None:
        """Move a process into it."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", pid)

    def oom_kills(self) -> int:
        """How many processes the kernel has killed for lack of memory."""
        return self._count("oom_kill", "memory.events", "memory.oom_control")

    def refused_forks(self) -> int:
        """How often the kernel has refused a new process or thread."""
        return self._count("max", "pids.events")

    def _count(self, key: str, *files: str) -> int:
        for folder in self.folders:
            for name in files:
                with suppress(FileNotFoundError):
                    text = (folder / name).read_text(encoding="ascii")
                    counts = dict(line.split() for line in text.splitlines())
                    return int(counts.get(key, 0))
        return 0


def unlimited(limited: frozenset[str]) -> str:
    """What cannot be limited for a whole side; empty if everything can.

    Args:
        limited: What control groups limit: ``memory``, ``pids``.
    """
    missing = [
        text
        for name, text in (
            ("memory", "memory (only for each process, and shared memory not at all)"),
            ("pids", "processes (all sides together, and root not at all)"),
        )
        if name not in limited
    ]
    return f"endpoints are not limited in {' and '.join(missing)}" if missing else ""


def parents(own: str, mounts: str) -> tuple[Parent, ...]:
    """The groups in which new ones can be made; none without the right to.

    Args:
        own: The text of /proc/self/cgroup.
        mounts: The text of /proc/self/mountinfo.
    """
    found: list[Parent] = []
    places = _hierarchies(mounts)
    for line in own.splitlines():
        _, names, path = line.split(":", 2)
        for mount, root, kind, controllers in places:
            wanted = frozenset(names.split(",")) if names else frozenset[str]()
            if names and (kind != "cgroup" or not wanted <= controllers):
                continue
            if not names and kind != "cgroup2":
                continue
            folder = _inside(mount, root, path)
            parent = _parent_v1(folder, wanted) if names else _parent_v2(folder, mount)
            if parent is not None:
                found.append(parent)
            break
    return tuple(found)


def group(parents: Sequence[Parent], name: str) -> Group:
    """The group of that name, which :func:`create` makes."""
    used = [parent for parent in parents if parent.controllers]
    return Group(
        tuple(parent.folder / name for parent in used),
        frozenset[str]().union(*(parent.controllers for parent in used)),
    )


def create(group: Group, limits: Limits) -> None:
    """Make a group's folders and set its limits.

    Raises:
        SandboxError: They cannot be made.
    """
    try:
        for folder in group.folders:
            folder.mkdir()
            if (folder / "memory.limit_in_bytes").exists():  # version 1
                _write(folder / "memory.limit_in_bytes", limits.memory_bytes)
                with suppress(OSError):  # where swap is not accounted
                    _write(folder / "memory.memsw.limit_in_bytes", limits.memory_bytes)
            if (folder / "memory.max").exists():
                _write(folder / "memory.max", limits.memory_bytes)
                with suppress(OSError):
                    _write(folder / "memory.swap.max", 0)
            if (folder / "pids.max").exists():
                _write(folder / "pids.max", limits.processes)
    except OSError as error:
        raise SandboxError(f"cannot make a control group: {error}") from error


def is_group(folder: Path) -> bool:
    """Whether a control group is there."""
    return (folder / "cgroup.procs").exists()


def remove(folder: Path) -> None:
    """Remove a group that has no processes any more; fine if there is none.

    Raises:
        SandboxError: Something still runs in it.
    """
    deadline = time.monotonic() + REMOVAL_S
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            # Processes leave their groups late in their deaths, after others have seen them die,
            # and version 1 has no event for it.
            if time.monotonic() > deadline:
                raise SandboxError(f"cannot remove control group {folder}: {error}") from error
            time.sleep(0.005)


def _hierarchies(mounts: str) -> list[tuple[Path, str, str, frozenset[str]]]:
    """Mount point, root, type and controllers of every hierarchy that is mounted."""
    found = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            found.append((Path(mount), root, kind, frozenset(options.split(","))))
    return found


def _inside(mount: Path, root: str, path: str) -> Path:
    """The folder of a group, seen through a mount that may show only a part of the hierarchy."""
    relative = os.path.relpath(path, root)
    return mount if relative.startswith("..") else mount / relative


def _parent_v1(folder: Path, names: frozenset[str]) -> Parent | None:
    controllers = names & {"memory", "pids"}
    if not controllers or not os.access(folder, os.W_OK):
        return None
    return Parent(folder, controllers, version=1)


def _parent_v2(folder: Path, mount: Path) -> Parent | None:
    """Our own group or the nearest ancestor that hands on a controller we want.

    To move a process from our group into a child of an ancestor, the kernel wants the right to
    write to the ancestor's ``cgroup.procs``.
    """
    for ancestor in (folder, *folder.parents):
        with suppress(OSError):
            handed_on = (ancestor / "cgroup.subtree_control").read_text(encoding="ascii").split()
            controllers = frozenset(handed_on) & {"memory", "pids"}
            allowed = os.access(ancestor, os.W_OK)
            if controllers and allowed and os.access(ancestor / "cgroup.procs", os.W_OK):
                return Parent(ancestor, controllers, version=2)
        if ancestor == mount:
            break
    return None


def _write(file: Path, value: int) -> None:
    file.write_text(f"{value}\n", encoding="ascii")
