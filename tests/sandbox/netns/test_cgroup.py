from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.model import Limits, SandboxError
from quicmatrix.runner.sandbox.netns import cgroup
from quicmatrix.runner.sandbox.netns.cgroup import Group, Parent

LIMITS = Limits(memory_bytes=1 << 20, processes=7)


def mount(folder: Path, kind: str, options: str, root: str = "/") -> str:
    return f"30 24 0:27 {root} {folder} rw,nosuid shared:9 - {kind} cgroup rw,{options}\n"


def tree(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_version_1_groups_lie_below_our_own(tmp_path: Path) -> None:
    tree(tmp_path, {"memory/own/cgroup.procs": "", "pids/cgroup.procs": "", "cpu/cgroup.procs": ""})
    mounts = mount(tmp_path / "memory", "cgroup", "memory") + mount(
        tmp_path / "cpu", "cgroup", "cpu"
    )
    mounts += mount(tmp_path / "pids", "cgroup", "pids")
    found = cgroup.parents("4:memory:/own\n8:pids:/\n1:cpu:/\n9:name=systemd:/\n0::/\n", mounts)
    assert found == (
        Parent(tmp_path / "memory" / "own", frozenset({"memory"}), 1),
        Parent(tmp_path / "pids", frozenset({"pids"}), 1),
    )
    group = cgroup.group(found, "name")
    assert group.folders == (tmp_path / "memory" / "own" / "name", tmp_path / "pids" / "name")
    assert group.limited == {"memory", "pids"}


def test_a_mount_that_shows_a_part_is_understood(tmp_path: Path) -> None:
    """As in containers: what is mounted is not the root, and paths are still from the root."""
    tree(tmp_path, {"below/cgroup.procs": ""})
    mounts = mount(tmp_path, "cgroup", "memory", root="/docker/1")
    (found,) = cgroup.parents("4:memory:/docker/1/below\n", mounts)
    assert found.folder == tmp_path / "below"
    (found,) = cgroup.parents("4:memory:/elsewhere\n", mounts)
    assert found.folder == tmp_path


def test_version_2_groups_lie_where_controllers_are_handed_on(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "cgroup.subtree_control": "cpu memory pids\n",
            "cgroup.procs": "",
            "user/cgroup.subtree_control": "memory pids\n",
            "user/cgroup.procs": "",
            "user/own/cgroup.subtree_control": "\n",
            "user/own/cgroup.procs": "",
        },
    )
    mounts = mount(tmp_path, "cgroup2", "nsdelegate")
    assert cgroup.parents("0::/user/own\n", mounts) == (
        Parent(tmp_path / "user", frozenset({"memory", "pids"}), 2),
    )
    (tmp_path / "user" / "cgroup.subtree_control").write_text("cpu\n")
    assert cgroup.parents("0::/user/own\n", mounts)[0].folder == tmp_path
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    assert cgroup.parents("0::/user/own\n", mounts) == ()


def test_without_control_groups_nothing_is_limited() -> None:
    assert cgroup.parents("0::/\n", "") == ()
    assert cgroup.group((), "name") == Group()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max"),
            {"memory.limit_in_bytes": "1048576", "memory.memsw.limit_in_bytes": "1048576"},
        ),
        (
            ("memory.max", "memory.swap.max", "pids.max"),
            {"memory.max": "1048576", "memory.swap.max": "0", "pids.max": "7"},
        ),
    ],
)
def test_limits_are_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: tuple[str, ...],
    expected: dict[str, str],
) -> None:
    def make(folder: Path) -> None:
        """Like the kernel, which fills the new folder."""
        os.mkdir(folder)  # noqa: PTH102 - what it stands for is Path.mkdir
        for name in files:
            (folder / name).write_text("max\n")

    monkeypatch.setattr(Path, "mkdir", make)
    cgroup.create(Group((tmp_path / "name",)), LIMITS)
    for name, value in expected.items():
        assert (tmp_path / "name" / name).read_text() == f"{value}\n"


def test_a_group_that_cannot_be_made_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="control group"):
        cgroup.create(Group((tmp_path / "no" / "parent",)), LIMITS)


@pytest.mark.parametrize(
    ("name", "text", "kills"),
    [
        ("memory.events", "low 0\noom 3\noom_kill 2\n", 2),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 1),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", 0),  # before Linux 4.13
    ],
)
def test_the_kernels_kills_are_counted(tmp_path: Path, name: str, text: str, kills: int) -> None:
    tree(tmp_path, {name: text})
    assert Group((tmp_path / "gone", tmp_path)).oom_kills() == kills


def test_refused_processes_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, {"pids.events": "max 3\n"})
    assert Group((tmp_path,)).refused_forks() == 3
    assert Group((tmp_path / "gone",)).refused_forks() == 0


def test_what_is_not_limited_is_said() -> None:
    assert cgroup.unlimited(frozenset({"memory", "pids"})) == ""
    assert "shared memory not at all" in cgroup.unlimited(frozenset({"pids"}))
    assert "processes" in cgroup.unlimited(frozenset({"memory"}))


def test_a_group_in_use_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "REMOVAL_S", 0.02)
    tree(tmp_path, {"group/cgroup.procs": ""})
    assert cgroup.is_group(tmp_path / "group")
    with pytest.raises(SandboxError, match="cannot remove control group"):
        cgroup.remove(tmp_path / "group")
    (tmp_path / "group" / "cgroup.procs").unlink()
    cgroup.remove(tmp_path / "group")
    cgroup.remove(tmp_path / "group")
    assert not cgroup.is_group(tmp_path / "group")
