""".ci/trixie with programs in place of debootstrap and unshare, which write down what they did."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.one_sandbox import REPOSITORY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes root file systems")

DEBOOTSTRAP = """#!/bin/bash
mkdir -p "${{@: -2:1}}/etc"
echo made >>{did}
"""
UNSHARE = """#!/bin/bash
words=$*
case "$words" in
*scripts/setup*) echo setup >>{did}; ! [ -e {broken} ] ;;
*scripts/test*) echo "test ${{words##*scripts/test }}" >>{did} ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "cache/trixie"

    def add(self, name: str, script: str) -> None:
        program = self.folder / "programs" / name
        program.write_text(script.format(did=self.folder / "did", broken=self.folder / "broken"))
        program.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'programs'}:{os.environ['PATH']}"
        return subprocess.run(
            (self.folder / "checkout/.ci/trixie", *arguments),
            env={"PATH": path, "QUICMATRIX_CACHE": str(self.folder / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )

    def did(self, *arguments: str) -> list[str]:
        """Run it; what was done."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        record = self.folder / "did"
        said = record.read_text().splitlines()
        record.unlink()
        return said


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    (tmp_path / "programs").mkdir()
    (tmp_path / "checkout/.ci").mkdir(parents=True)
    shutil.copy(REPOSITORY / ".ci/trixie", tmp_path / "checkout/.ci")
    made.add("debootstrap", DEBOOTSTRAP)
    made.add("unshare", UNSHARE)
    return made


def test_a_root_is_made_once_and_kept(machine: Machine) -> None:
    first, again = machine.did("-k", "one"), machine.did("-k", "one")
    assert first == ["made", "setup", "test -k one"]
    assert again == first[1:]


def test_the_checkout_is_copied_over_the_last_one(machine: Machine) -> None:
    machine.did()
    copied = machine.root / "quicmatrix"
    for name in (".venv", ".peers", "gone"):
        (copied / name).mkdir()
    (machine.folder / "checkout/new").touch()
    (machine.folder / "checkout/.venv").touch()
    machine.did()
    assert {one.name for one in copied.iterdir()} == {".ci", ".venv", ".peers", "new"}
    assert (copied / ".venv").is_dir()


def test_one_in_which_setup_failed_is_made_again(machine: Machine) -> None:
    (machine.folder / "broken").touch()
    assert machine.run().returncode == 1
    (machine.folder / "broken").unlink()
    (machine.folder / "did").unlink()
    assert machine.did()[:2] == ["made", "setup"]


def test_an_old_one_is_made_again(machine: Machine) -> None:
    machine.did()
    (machine.root / "left").touch()
    month_ago = time.time() - 31 * 86_400
    os.utime(machine.root / ".ready", (month_ago, month_ago))
    assert machine.did()[0] == "made"
    assert not (machine.root / "left").exists()


def test_its_age_is_not_that_of_its_last_use(machine: Machine) -> None:
    machine.did()
    before = time.time() - 20 * 86_400
    os.utime(machine.root / ".ready", (before, before))
    machine.did()
    assert (machine.root / ".ready").stat().st_mtime == pytest.approx(before)


def test_a_root_that_cannot_be_made_is_a_failure(machine: Machine) -> None:
    machine.add("debootstrap", "#!/bin/bash\necho 'E: no mirror'; exit 1")
    done = machine.run()
    assert done.returncode == 1
    assert "E: no mirror" in done.stderr


def test_without_mount_namespaces_it_says_so(machine: Machine) -> None:
    machine.add("unshare", "#!/bin/bash\nexit 1")
    done = machine.run()
    assert done.returncode == 0
    assert done.stderr == "ci: no tests on Debian 13: mount namespaces are not allowed here\n"
