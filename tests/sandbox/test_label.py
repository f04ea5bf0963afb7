from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.label import LABEL_FILE, Label, Runner
from tests.support.real_root import real_root

THIS = Runner.this()
DEAD = replace(THIS, start=THIS.start - 1)
"""A runner with our process id, before us."""


@given(st.integers(1, 1 << 22), st.integers(0, 1 << 60), st.uuids(), st.integers(1, 1 << 32))
def test_a_runner_is_one_word(pid: int, start: int, boot: object, namespace: int) -> None:
    runner = Runner(pid, start, str(boot), str(namespace))
    assert Runner.parse(runner.text) == runner


def test_a_runner_is_dead_if_its_process_is() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        started = label.start_time(process.pid)
        assert started is not None
        runner = replace(THIS, pid=process.pid, start=started)
        assert not runner.dead
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert runner.dead, "a zombie does nothing any more"
    assert runner.dead


def test_a_runner_is_alive_unless_known_to_be_dead() -> None:
    assert not THIS.dead
    assert DEAD.dead
    assert replace(THIS, boot="another").dead
    assert not replace(DEAD, pid_namespace="1").dead, "a container's: we cannot see it"


def labelled(parent: Path, name: str, runner: Runner, groups: tuple[str, ...] = ()) -> Path:
    folder = parent / name
    (folder / "sub").mkdir(parents=True)
    label.attach(Label(f"run of {name}", runner, groups), folder)
    return folder


def mine(parent: Path) -> list[label.Leftover]:
    """Without what dead runs may really have left on this machine."""
    return [one for one in label.leftovers(parent) if parent in one.path.parents]


def test_only_folders_of_dead_runs_are_left_over(tmp_path: Path) -> None:
    dead = labelled(tmp_path, "dead", DEAD)
    labelled(tmp_path, "alive", THIS)
    (tmp_path / "quicmatrix-by-name-alone").mkdir()
    (tmp_path / "link").symlink_to(dead)
    (tmp_path / "file").write_text("")
    for name, text in (("broken", "{"), ("typed", '{"run_id": 1}'), ("empty", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / LABEL_FILE).write_text(text)
    found = mine(tmp_path)
    assert [one.path for one in found] == [dead]
    assert found[0].text == f"scratch folder {dead} of run run of dead"
    found[0].remove()
    found[0].remove()  # somebody else may be quicker
    assert not dead.exists()
    assert (tmp_path / "alive").exists()
    assert mine(tmp_path) == []


def test_folders_of_other_users_are_not_believed(tmp_path: Path) -> None:
    if not real_root():
        pytest.skip("only root can give folders away")
    folder = labelled(tmp_path, "theirs", DEAD)
    os.chown(folder, 65534, 65534)
    assert mine(tmp_path) == []


def test_groups_come_before_the_folder_that_names_them(tmp_path: Path) -> None:
    groups = tmp_path / "groups"
    for name in ("one", "two"):
        (groups / name).mkdir(parents=True)
        (groups / name / "cgroup.procs").write_text("")
    paths = (str(groups / "one"), str(groups / "gone"), str(groups / "two"))
    folder = labelled(tmp_path, "dead", DEAD, paths)
    assert [one.path for one in mine(tmp_path)] == [groups / "one", groups / "two", folder]


def test_processes_are_found_by_their_environment() -> None:
    dead = label.environment(Label("a dead run", DEAD))
    alive = label.environment(Label("a living run", THIS))
    half = {label.RUN_VARIABLE: "a program's"}
    command = [sys.executable, "-c", "print(flush=True); import signal; signal.pause()"]
    started = [
        subprocess.Popen(command, env=variables, stdout=subprocess.PIPE)
        for variables in (dead, alive, half)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        found = [
            one for one in label.leftovers(Path("/no such folder")) if "a dead run" in one.text
        ]
        assert [one.path.name for one in found] == [str(started[0].pid)]
        found[0].remove()
        assert started[0].wait() == -9
        found[0].remove()
        assert [process.poll() for process in started[1:]] == [None, None]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_a_scratch_folder_is_ours_alone_and_temporary(tmp_path: Path) -> None:
    with label.scratch_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "something").write_text("")
    assert list(tmp_path.iterdir()) == []
