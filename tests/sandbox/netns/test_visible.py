from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute import machine_checks
from quicmatrix.runner.execute.machine_checks import State
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.model import Launch
from quicmatrix.runner.sandbox.netns import netns, visible
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.sandbox.netns.visible import (
    PRIVATE,
    hidden,
    required_paths,
    runner_paths,
    to_expose,
    to_open,
)
from quicmatrix.runner.trace.model import Side
from tests.support.one_sandbox import REPOSITORY


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_program_needs_its_folder_and_where_it_really_lies(tmp_path: Path) -> None:
    real = program(tmp_path / "real" / "program")
    (tmp_path / "link").symlink_to(real)
    shell = [Path("/bin/sh"), Path("/bin/sh").resolve()]
    relative = required_paths(Launch(("./link", "argument"), tmp_path))
    assert relative[:3] == [tmp_path, tmp_path / "link", real]
    assert set(shell) <= set(relative)
    searched = Launch(("program",), tmp_path, {"PATH": f"/nowhere:{tmp_path}/real"})
    assert required_paths(searched)[:3] == [tmp_path, real, real]
    assert required_paths(Launch(("no-such-thing",), tmp_path)) == [tmp_path]


def test_a_program_in_bin_needs_the_folder_around_that(tmp_path: Path) -> None:
    prefix = tmp_path / "project" / "venv"
    python = program(prefix / "bin" / "python")
    launch = Launch((str(python),), Path("/"))
    assert to_expose(required_paths(launch)) == [prefix]
    (prefix / "pyvenv.cfg").touch()
    assert to_expose(required_paths(launch)) == [tmp_path / "project"], "editable packages"


@pytest.mark.parametrize(
    "line", ["#!{}", "#! {} -P", "#!/usr/bin/env {}", "#!/usr/bin/env -S {} -P"]
)
def test_a_script_needs_its_interpreter(tmp_path: Path, line: str) -> None:
    interpreter = program(tmp_path / "tools" / "interpreter")
    script = program(tmp_path / "mine" / "client", f"{line.format(interpreter)}\n")
    assert interpreter.parent in to_expose(required_paths(Launch((str(script),), Path("/"))))


def test_scripts_that_are_each_others_interpreters_have_an_end(tmp_path: Path) -> None:
    script = program(tmp_path / "mine" / "client", f"#!{tmp_path}/mine/client\n")
    assert to_expose(required_paths(Launch((str(script),), Path("/")))) == [script.parent]


def test_a_script_that_is_an_argument_is_needed_too(tmp_path: Path) -> None:
    script = program(tmp_path / "mine" / "client.py")
    wanted = [script.parent]
    assert to_expose(required_paths(Launch(("python3", str(script)), Path("/")))) == wanted
    near = required_paths(Launch(("python3", "../mine/client.py"), tmp_path / "mine"))
    assert to_expose(near) == wanted
    own = Launch(("sh", "-c", "x", "/dev/null", "/proc/self/exe", "/tmp", "gone/x"), Path("/"))
    assert to_expose(required_paths(own)) == [], "a side has these of its own"


def test_only_what_is_hidden_is_exposed(tmp_path: Path) -> None:
    project = program(tmp_path / "a project" / "bin" / "program").parents[1]
    assert to_expose([Path("/usr/bin/env"), Path("/etc"), Path("/")]) == []
    assert to_expose([*PRIVATE, Path("/tmp/no such thing/program")]) == []
    assert to_expose([project / "bin" / "program"]) == [project / "bin"]
    assert to_expose([project / "bin" / "program", project]) == [project]
    link = tmp_path / "link"
    link.symlink_to(project / "bin" / "program")
    assert to_expose([link]) == [tmp_path]
    assert to_expose([link, link.resolve()]) == [tmp_path]


def test_what_the_reference_is_made_of_is_among_what_we_show() -> None:
    shown = runner_paths()
    for package in ("endpoint", "runner", "testcases"):
        real = (REPOSITORY / "quicmatrix" / package).resolve()
        assert any(real.is_relative_to(path) for path in shown), package
    assert Path(sys.prefix) in shown


# --- What is closed to other users ---------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that stands for one on the machine's disk, which we see as root."""
    monkeypatch.setattr(visible, "PRIVATE", ())
    monkeypatch.setattr(visible, "others_exist", lambda: True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    tmp_path.chmod(0o755)
    return tmp_path


def opened(machine: Path, *paths: Path) -> dict[str, str]:
    """What is opened below that folder."""
    found = to_open(paths)
    return {
        str(path.relative_to(machine)): how
        for path, how in found.items()
        if path.is_relative_to(machine) and path != machine
    }


def test_a_closed_folder_is_opened_only_on_the_way_to_what_is_needed(machine: Path) -> None:
    client = program(machine / "home" / "project" / "build" / "client")
    program(machine / "another" / "client").parent.chmod(0o700)
    assert opened(machine, client, machine / "home") == {}
    (machine / "home").chmod(0o710)
    assert opened(machine, client) == {"home": "entries"}
    client.chmod(0o700)
    assert opened(machine, client) == {"home": "entries", "home/project/build/client": "whole"}
    client.parent.chmod(0o700)
    assert opened(machine, client) == {"home": "entries", "home/project/build": "whole"}
    (machine / "home" / "project").chmod(0o700)
    assert opened(machine, client)["home/project"] == "entries"
    own = opened(machine, client, machine / "home" / "project")
    assert own == {"home": "entries", "home/project": "whole"}


def test_a_home_folder_itself_is_never_shown_whole(machine: Path) -> None:
    client = program(machine / "home" / "client")
    (machine / "home").chmod(0o700)
    assert opened(machine, client, machine / "home") == {"home": "entries"}
    client.chmod(0o700)
    assert opened(machine, client) == {"home": "entries", "home/client": "whole"}


def test_links_are_opened_at_both_ends(machine: Path) -> None:
    client = program(machine / "home" / "project" / "client")
    (machine / "open").mkdir()
    (machine / "open" / "link").symlink_to(machine / "home" / "project")
    (machine / "home").chmod(0o700)
    client.chmod(0o700)
    there = {"home": "entries", "home/project/client": "whole"}
    assert opened(machine, machine / "open" / "link" / "client") == there


def test_a_script_that_is_closed_is_needed_whatever_its_name(machine: Path) -> None:
    script = program(machine / "project" / "client.py")
    script.chmod(0o600)
    launch = Launch(("python3", "client.py", "x" * 300, "no such thing"), script.parent)
    assert opened(machine, *required_paths(launch)) == {"project/client.py": "whole"}


def test_a_user_sees_what_he_may_read(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = program(machine / "home" / "client")
    (machine / "home").chmod(0o700)
    monkeypatch.setattr(visible, "others_exist", lambda: False)
    assert to_open([client]) == {}


# --- What cannot be shown ------------------------------------------------------------------------


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that stands for the machine's /www, in which nothing can be mounted."""
    folder = tmp_path / "www"
    folder.mkdir()
    monkeypatch.setattr(visible, "PRIVATE", (folder,))
    monkeypatch.setattr(visible, "MOUNTABLE", ())
    return folder


def test_what_a_side_cannot_see_is_said_in_one_sentence(private: Path, tmp_path: Path) -> None:
    client = program(private / "mine" / "client")
    assert hidden([Path("/etc"), private]) == ""
    said = f"{client.parent} cannot be seen in a sandbox, which has a {private} of its own"
    assert hidden([client]) == said
    (tmp_path / "link").symlink_to(client)
    assert hidden(required_paths(Launch((str(tmp_path / "link"),), Path("/")))) == said


@pytest.mark.netns
def test_it_is_named_before_the_run_and_by_doctor(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = NetnsBackend()
    client = program(private / "mine" / "client")
    mine = Implementation("mine", commands={Side.CLIENT: (str(client),)})
    with pytest.raises(UserError, match=r"mine: .*cannot be seen in a sandbox"):
        backend.require(mine, Side.CLIENT)
    named, nothing_runs = machine_checks.implementations([mine], backend.obstacle)
    assert (named.state, nothing_runs.state) == (State.WARN, State.FAIL)
    assert "cannot be seen in a sandbox" in named.found
    backend.check()  # what cannot be limited here, it may say
    monkeypatch.chdir(client.parent)
    with pytest.raises(UserError, match="cannot be seen in a sandbox"):
        backend.check()
    monkeypatch.chdir("/")
    monkeypatch.setattr(netns, "runner_paths", lambda: (client.parent,))
    with pytest.raises(UserError, match="cannot be seen in a sandbox"):
        NetnsBackend().check()


# --- All of it, below /tmp -----------------------------------------------------------------------


@pytest.mark.netns
@pytest.mark.tshark
def test_a_checkout_below_tmp_runs_from_another_folder(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("quicmatrix", "endpoint", "runner", "testcases", "reports"):
        shutil.copytree(REPOSITORY / name, checkout / name, symlinks=True)
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"), check=True)
    (packages,) = (checkout / ".venv" / "lib").glob("python3*/site-packages")
    theirs = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "here.pth").write_text("\n".join((str(checkout), *theirs)))
    for info in Path(theirs[0]).glob("quicmatrix-*.dist-info"):  # the plugins' entry points
        shutil.copytree(info, packages / info.name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run = (
        "-m",
        "quicmatrix.runner",
        "run",
        "-c",
        "reference",
        "-s",
        "reference",
        "-t",
        "handshake",
    )
    done = subprocess.run(
        (checkout / ".venv/bin/python", "-P", *run, "-l", "run"),
        cwd=elsewhere,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
