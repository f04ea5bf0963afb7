"""scripts/setup on machines that are made of a few programs in one folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from quicmatrix.runner import needs
from tests.support.one_sandbox import REPOSITORY

COMMANDS = (
    *("bash", "basename", "cat", "cut", "dirname", "env", "grep", "id"),
    *("ln", "mkdir", "rm", "sed", "sha256sum"),
)
VERSION = f"3.{sys.version_info.minor}"
VENV = """#!/bin/sh
# An interpreter that makes environments and installs into them, but writes down only that it did.
case "$*" in
*ensurepip*) {python} "$@" >/dev/null && echo "$0" ;;
"-m venv "*) rm -rf .venv; mkdir -p .venv/bin; ln -s "$0" .venv/bin/python; echo venv >>did ;;
"-m pip "*) echo pip >>did; echo "Collecting it"; ln -sf "$PWD/doctor" .venv/bin/quicmatrix ;;
*) exec {python} -B "$@" ;;
esac
"""
PEER = """#!/bin/sh
command -v gcc >/dev/null || { echo "build: please install: apt-get install gcc" >&2; exit 1; }
"""


@dataclass(frozen=True)
class Machine:
    """A checkout, and the only folder with programs."""

    checkout: Path
    programs: Path

    def add(self, name: str, script: str) -> None:
        program = self.programs / name
        program.unlink(missing_ok=True)
        program.write_text(script)
        program.chmod(0o755)

    def remove(self, name: str) -> None:
        (self.programs / name).unlink()

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (self.checkout / "scripts/setup", *arguments),
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )

    def did(self) -> list[str]:
        """What was done since the last call."""
        record = self.checkout / "did"
        done = record.read_text().split() if record.exists() else []
        record.unlink(missing_ok=True)
        return done


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One without apt-get on which all is installed that a run needs, and nothing else."""
    made = Machine(tmp_path / "checkout", tmp_path / "programs")
    for folder in ("scripts", "docker/peers/one", "quicmatrix/runner"):
        (made.checkout / folder).mkdir(parents=True)
    made.programs.mkdir()
    for name in COMMANDS:
        found = shutil.which(name)
        assert found is not None
        (made.programs / name).symlink_to(found)
    for name in needs.RUN:
        if not (made.programs / name).exists():
            made.add(name, "#!/bin/bash\n")
    made.add(f"python{VERSION}", VENV.format(python=sys.executable))
    shutil.copy(REPOSITORY / "scripts/setup", made.checkout / "scripts")
    shutil.copy(REPOSITORY / "pyproject.toml", made.checkout)
    # What lies elsewhere on the machine that the test runs on is not on this one.
    listed = (REPOSITORY / "runner/needs.py").read_text()
    for folder in ("/usr/", "/etc/", "/sbin", "/bin"):
        listed = listed.replace(f'"{folder}', f'"/nowhere{folder}')
    (made.checkout / "quicmatrix/runner/needs.py").write_text(listed)
    build = made.checkout / "docker/peers/one/build"
    build.write_text(PEER)
    build.chmod(0o755)
    doctor(made, "exit 0")
    return made


def doctor(machine: Machine, script: str) -> None:
    """What `quicmatrix doctor` does."""
    program = machine.checkout / "doctor"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)


def test_what_only_a_peer_needs_is_left_out_without_apt(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert "no apt-get to install them: gcc binutils pkgconf libc6-dev" in done.stderr
    assert "setup: left out: peers that need gcc binutils" in done.stderr
    assert "setup: left out: the peer one, which could not be built" in done.stderr
    assert done.stderr.endswith("setup: ready: .venv/bin/quicmatrix --help\n")


def test_what_only_tests_need_is_left_out_without_apt(machine: Machine) -> None:
    done = machine.setup("--dev")
    assert done.returncode == 0, done.stderr
    assert "setup: left out: tests that need chromium" in done.stderr


def test_what_apt_cannot_install_for_a_peer_is_left_out(machine: Machine) -> None:
    machine.add("apt-get", "#!/bin/sh\n[ $1 = update ] || { echo 'E: no network' >&2; exit 100; }")
    machine.add("id", "#!/bin/sh\necho 0")
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert "E: no network" in done.stderr
    assert "setup: left out: peers that need gcc" in done.stderr


@pytest.mark.parametrize("tool", [name for name in needs.RUN if name not in COMMANDS])
def test_what_doctor_would_miss_is_not_ready(machine: Machine, tool: str) -> None:
    machine.remove(tool)
    done = machine.setup()
    assert done.returncode == 2
    assert f"no apt-get to install them: {needs.RUN[tool]}\n" in done.stderr
    assert "ready" not in done.stderr


def test_what_doctor_fails_is_not_called_ready(machine: Machine) -> None:
    doctor(machine, 'echo "ok    a: b"; echo "fail  sandbox: no"; echo "      -> be root"; exit 2')
    done = machine.setup()
    assert done.returncode == 0, "linters and many tests run all the same"
    assert "ready" not in done.stderr
    assert done.stderr.endswith("fail  sandbox: no\n      -> be root\n")


def test_nothing_is_done_twice(machine: Machine) -> None:
    assert machine.setup("--dev").returncode == 0
    assert machine.did() == ["venv", "pip"]
    for arguments in (["--dev"], []):  # which is part of it
        assert machine.setup(*arguments).returncode == 0
        assert machine.did() == []


def test_pip_says_what_it_does(machine: Machine) -> None:
    assert "setup:   Collecting it\n" in machine.setup().stderr


@pytest.mark.parametrize("change", ["another interpreter", "another version", "another folder"])
def test_an_environment_of_another_interpreter_is_made_again(machine: Machine, change: str) -> None:
    machine.setup()
    machine.did()
    name = f"python{VERSION}"
    if change == "another interpreter":
        (machine.programs / name).rename(machine.programs / "python3")
    elif change == "another version":
        stamp = machine.checkout / ".venv/.installed"
        stamp.write_text(stamp.read_text().replace(f" {VERSION}\n", " 3.1\n"))
    else:
        machine.checkout.rename(machine.checkout.with_name("moved"))
        machine = Machine(machine.checkout.with_name("moved"), machine.programs)
    assert machine.setup().returncode == 0
    assert machine.did() == ["venv", "pip"]


def test_an_old_python_alone_is_named(machine: Machine) -> None:
    machine.remove(f"python{VERSION}")
    machine.add("python3", '#!/bin/sh\n[ $1 != --version ] || echo "Python 3.10.12"\nexit 1')
    done = machine.setup()
    assert done.returncode == 2
    assert "quicmatrix needs Python 3.11 or newer" in done.stderr
    assert f"python3 is Python 3.10.12 ({machine.programs}/python3)" in done.stderr
    assert not (machine.checkout / ".venv").exists()
    machine.remove("python3")
    assert "here is no Python at all" in machine.setup().stderr
