"""Endpoints that attack the runner: each does it once, all side by side, in one run.

What the run stored of each is compared with one line of a table, which docs/sandbox.md shows. The
attacks are in tests/support/hostile.py. As root, and as a user without privileges.
"""

from __future__ import annotations

import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cryptography
import msgspec
import pytest

from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.run_files import load
from quicmatrix.runner.sandbox.label import labelled_processes
from quicmatrix.runner.sandbox.netns import privileges
from quicmatrix.runner.trace.model import Side
from tests.support.hostile_run import HOSTILE, job
from tests.support.interpreter_for_all import become, interpreter_for_all
from tests.support.machine_sockets import listening
from tests.support.one_sandbox import REPOSITORY

pytestmark = [pytest.mark.netns, pytest.mark.tshark]

PASSED, FAILED, CRASHED = Outcome.PASSED, Outcome.FAILED, Outcome.CRASHED
TIMEOUT, UNSUPPORTED = Outcome.TIMEOUT, Outcome.UNSUPPORTED


@dataclass(frozen=True, slots=True)
class Expected:
    """What the verdict on an attack must be."""

    mode: str
    outcome: Outcome = PASSED
    reason: str = ""
    """Part of the verdict's reason."""
    note: str = ""
    """Part of the notes on the side's logs."""
    said: tuple[str, ...] = ()
    """Parts of what the endpoint printed."""
    rootless: Outcome | None = None
    """The verdict without control groups, if it is another."""

    @property
    def side(self) -> Side:
        return Side.SERVER if self.mode.startswith("server-") else Side.CLIENT

    def outcome_as(self, user: str) -> Outcome:
        return self.rootless if user != "root" and self.rootless is not None else self.outcome


LIMIT = "reached a limit"
TABLE = (
    Expected("download-link-to-passwd", FAILED, "nobody asked for"),
    Expected("log-link-to-passwd", note="stolen: not a file"),
    Expected("log-link-upwards", note="stolen: not a file"),
    Expected("log-fifo", note="stolen: not a file"),
    Expected("log-socket", note="stolen: not a file"),
    Expected("devices", said=("/logs: refused", "/downloads: refused")),
    Expected("log-sparse-file", note="stolen: too large"),
    Expected("download-sparse-file", FAILED, "nobody asked for"),
    Expected("many-downloads", CRASHED, LIMIT),
    Expected("many-logs", note="too many entries"),
    Expected("deep-folders", note="too deep"),
    Expected("odd-log-names", note="odd name"),
    Expected("odd-download-names", FAILED, "nobody asked for"),
    Expected("unreadable-logs"),
    Expected("log-called-output", note="output.log: File exists"),
    Expected("keys-folder", note="keys.log: not a file"),
    Expected("keys-link", note="keys.log: not a file"),
    Expected("keys-fifo", note="keys.log: not a file"),
    Expected("keys-sparse", note="keys.log: too large"),
    Expected("keys-garbage"),
    Expected("qlog-link", note="qlog: not a file"),
    Expected("qlog-fifo", note="qlog: not a file"),
    Expected("qlog-file"),
    Expected("flooded-log", CRASHED, "flooded its log"),
    Expected("long-log", note="bytes in its middle", said=("what matters",)),
    Expected("binary-log"),
    Expected("closed-output"),
    Expected("fork-bomb", CRASHED, LIMIT, rootless=PASSED),
    Expected("memory-hog", CRASHED, "more memory than it may", rootless=FAILED),
    Expected("shared-memory-hog", CRASHED, "more memory than it may"),
    Expected("full-tmp", CRASHED, LIMIT),
    Expected("full-dev-shm", CRASHED, LIMIT),
    Expected("full-logs", CRASHED, LIMIT),
    Expected("full-downloads", CRASHED, LIMIT),
    Expected("higher-limits", said=("core: ",)),
    Expected("daemon"),
    Expected("killer"),
    Expected("tracer", said=("ptrace: refused", "memory: refused")),
    Expected("proc-1", said=("root: refused", "environment: refused", "score: refused")),
    Expected("other-side", said=("/www: []", "processes: []")),
    Expected("stopped", TIMEOUT, "not done after 2 s"),
    Expected("sigterm-ignored", TIMEOUT, "not done after 2 s"),
    Expected("exit-0"),
    Expected("exit-1", FAILED, "it exited with 1"),
    Expected("exit-126", FAILED, "it exited with 126"),
    Expected("exit-127", UNSUPPORTED, "exited with 127"),
    Expected("exit-255", FAILED, "it exited with 255"),
    Expected("death-by-sigsegv", CRASHED, "SIGSEGV"),
    Expected("death-by-sigkill", CRASHED, "SIGKILL"),
    Expected("death-by-sigterm", CRASHED, "SIGTERM"),
    Expected("written-certs", said=("/certs: refused", "/www: refused", "/usr: refused")),
    Expected("mounts", said=("mount: refused", "umount: refused", "remount: refused")),
    Expected("new-namespaces", said=("unshare 0x20000: refused", "setns: refused")),
    Expected("chroot-escape", said=("new in /tmp: []",)),
    Expected("machine-socket", said=("socket: refused, Connection refused",)),
    Expected("machine-fifo", said=("FIFO: refused, No such device or address",)),
    Expected("closed-files", said=("shadow: refused", "key: refused", "home: refused")),
    Expected("abstract-socket", said=("abstract: refused, Connection refused",)),
    Expected("clock", said=("clock: refused",)),
    Expected("host-name", said=("name: refused", "sysctl: refused", "trigger: refused")),
    Expected("routes"),
    Expected("raw-sockets"),
    Expected("spoofed-addresses"),
    Expected("interface-down"),
    Expected("server-sigterm-ignored"),
    Expected("server-daemon", CRASHED, "exited with 0"),
    Expected("server-exit", CRASHED, "exited with 0 before it was ready"),
    Expected("server-written-www", said=("/www: refused", "/certs: refused")),
    Expected("server-fork-bomb", CRASHED, LIMIT, rootless=PASSED),
)
NOT_ROOTLESS = {"shared-memory-hog"}
"""What is not limited without control groups: run and doctor say so."""
FORBIDDEN = ("reached", "root:x:0:0", ": done")
ALLOWED = {"higher-limits", "killer", "chroot-escape", "new-namespaces"}
"""Modes some of whose calls the kernel may allow, within the side's own namespaces."""


@dataclass(frozen=True, slots=True)
class Run:
    user: str
    folder: Path
    result: RunResult

    def of(self, expected: Expected) -> JobResult:
        one = job(expected.mode, expected.side)
        (found,) = self.result.of(one.client, one.server, one.test)
        return found


@pytest.fixture(scope="module", params=["root", "nobody"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    user: str = request.param
    if user == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    if user != "root" and not privileges.user_namespace_allowed():
        pytest.skip("user namespaces are forbidden here")
    modes = [one.mode for one in TABLE if user == "root" or one.mode not in NOT_ROOTLESS]
    with (
        # Not pytest's, which no other user may enter whenever another session of it begins.
        tempfile.TemporaryDirectory(prefix="hostile-") as folder,
        tempfile.TemporaryDirectory(dir="/var/tmp") as place,
        listening(Path(place)),
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        Path(folder).chmod(0o755)
        abstract.bind(f"\0{place}")
        abstract.listen()
        if os.geteuid() == 0:  # a user's own are what that user reads
            Path(place, "home").mkdir(mode=0o700)
            for secret in (Path(place, "key"), Path(place, "home", "file")):
                secret.write_text("reached")
            Path(place, "key").chmod(0o600)
        yield Run(user, Path(folder, "run"), _run(user, Path(folder), place, modes))


def _run(user: str, folder: Path, place: str, modes: Sequence[str]) -> RunResult:
    """Run all modes in a process of their own."""
    code = folder / "code"  # where this lies, another user may not be allowed to look
    for package in (REPOSITORY / "quicmatrix", REPOSITORY / "tests" / "support"):
        shutil.copytree(package, code / package.relative_to(REPOSITORY))
    site = Path(msgspec.__path__[0]).parent
    for package in (Path(msgspec.__path__[0]), Path(cryptography.__path__[0])):
        shutil.copytree(package, code / package.name)
    for extension in site.glob("_cffi_backend*"):
        shutil.copy(extension, code)
    # The middlebox gets no PYTHONPATH, so its packages are a virtualenv's.
    original = sys.executable if user == "root" else interpreter_for_all()
    subprocess.run((original, "-m", "venv", "--without-pip", folder / "venv"), check=True)
    (packages,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (packages / "code.pth").write_text(str(code))
    as_user = () if user == "root" else become(folder)
    done = subprocess.run(
        [
            *(*as_user, f"{folder}/venv/bin/python", "-m", "tests.support.hostile_run"),
            *(f"{folder}/run", place, *modes),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        cwd=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return load(folder / "run")


@pytest.mark.parametrize("expected", TABLE, ids=lambda one: one.mode)
def test_an_attack_is_this_endpoint_s_and_reaches_nothing(run: Run, expected: Expected) -> None:
    if run.user != "root" and expected.mode in NOT_ROOTLESS:
        pytest.skip("not limited without control groups")
    done = run.of(expected)
    verdict = done.verdict
    assert verdict.outcome is expected.outcome_as(run.user), verdict
    if verdict.outcome is expected.outcome:
        assert expected.reason in verdict.reason
    bundle = run.folder / done.folder
    record = read_attempt(bundle)
    assert record.fault == ""
    notes = record.side(expected.side).notes
    assert all(note.isprintable() for note in notes)
    assert expected.note in "\n".join(notes), notes
    said = (bundle / expected.side / "output.log").read_text(errors="replace")
    for part in expected.said:
        assert part in said
    if expected.mode not in ALLOWED:
        assert not any(word in said for word in FORBIDDEN), said[-1000:]


def test_nothing_but_files_is_in_the_bundles(run: Run) -> None:
    """Neither a link nor a FIFO nor a name from an endpoint that a terminal would obey."""
    for path in run.folder.rglob("*"):
        assert path.is_file() or path.is_dir(), path
        assert not path.is_symlink(), path
        assert path.name.isprintable(), path
        assert "root:x:0:0" not in (path.read_text(errors="replace") if path.is_file() else "")
    assert sum(path.stat().st_size for path in run.folder.rglob("*")) < 512 << 20


def test_nothing_of_the_run_is_left(run: Run) -> None:
    assert run.result.complete
    assert [run_id for _, run_id, _ in labelled_processes() if run_id == "hostile"] == []


def test_the_table_has_every_attack_and_is_in_the_documentation() -> None:
    told = tried()
    assert {one.mode for one in TABLE} == told.keys()
    assert len(TABLE) >= 40
    text = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert "\n".join(lines(told)) in text, "\n".join(lines(told))


def tried() -> Mapping[str, str]:
    """What each attack tries, by its mode."""
    names = runpy.run_path(str(HOSTILE))
    functions: dict[str, Callable[[Path], object]] = {**names["CLIENT"], **names["SERVER_MODES"]}
    return {mode: function.__doc__ or "" for mode, function in functions.items()}


def lines(told: Mapping[str, str]) -> Iterator[str]:
    """The table of docs/sandbox.md."""
    yield "| an endpoint | verdict | what is said |"
    yield "|---|---|---|"
    for one in TABLE:
        who = "as a server " if one.side is Side.SERVER else ""
        outcome = str(one.outcome)
        if one.rootless is not None:
            outcome += f"; {one.rootless} without control groups"
        shown = "; ".join(filter(None, (one.reason, one.note, *one.said)))
        yield f"| {who}{told[one.mode]} | {outcome} | {shown} |"
