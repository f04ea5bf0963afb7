"""The label of everything that a run creates, and the leftovers of dead runs.

Processes have it in their environment, scratch folders in a file that also names the control
groups. A run is dead if the process that wrote its label is; since process ids are used again, the
label has its start time too. What belongs to a living run is not touched, nor to one in another PID
namespace, of which it is not known.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quicmatrix.runner.sandbox.netns import cgroup

RUN_VARIABLE = "QUICMATRIX_RUN"
"""In the environment of every process of a run: the run's id."""
RUNNER_VARIABLE = "QUICMATRIX_RUNNER"
"""In the environment of a host's first processes: its runner, as :attr:`Runner.text`."""
LABEL_FILE = "quicmatrix-label.json"


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner's process, identified beyond its lifetime."""

    pid: int
    start: int
    """Its start time, in clock ticks since boot."""
    boot: str
    pid_namespace: str

    @classmethod
    def this(cls) -> Runner:
        """This process."""
        pid = os.getpid()
        return cls(pid, start_time(pid) or 0, *_here())

    @property
    def dead(self) -> bool:
        """Whether it is known to have ended."""
        boot, pid_namespace = _here()
        if self.boot != boot:
            return True
        return self.pid_namespace == pid_namespace and start_time(self.pid) != self.start

    @property
    def text(self) -> str:
        """All of it, as one word."""
        return f"{self.pid}/{self.start}/{self.boot}/{self.pid_namespace}"

    @classmethod
    def parse(cls, text: str) -> Runner:
        """The inverse of :attr:`text`.

        Raises:
            ValueError: It has another form.
        """
        pid, start, boot, pid_namespace = text.split("/")
        return cls(int(pid), int(start), boot, pid_namespace)


@dataclass(frozen=True, slots=True)
class Label:
    """The content of a scratch folder's label file."""

    run_id: str
    runner: Runner
    groups: tuple[str, ...] = ()
    """Folders of the sandbox's control groups, which may not exist yet."""


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder of mode 0700, removed when the context is left."""
    folder = Path(tempfile.mkdtemp(prefix="quicmatrix-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def attach(label: Label, folder: Path) -> None:
    """Write a label into a scratch folder, atomically."""
    draft = folder / f"{LABEL_FILE}.{secrets.token_hex(4)}"
    draft.write_bytes(msgspec.json.encode(label))
    draft.rename(folder / LABEL_FILE)


def environment(label: Label) -> dict[str, str]:
    """The label as environment variables."""
    return {RUN_VARIABLE: label.run_id, RUNNER_VARIABLE: label.runner.text}


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing of a dead run."""

    text: str
    path: Path
    """The scratch folder, the control group, or the process in /proc."""

    def remove(self) -> None:
        """Remove it; fine if it is gone already."""
        with suppress(FileNotFoundError, ProcessLookupError):
            if self.path.parent == Path("/proc"):
                os.kill(int(self.path.name), signal.SIGKILL)
            elif (self.path / LABEL_FILE).exists():
                shutil.rmtree(self.path)
            else:
                cgroup.remove(self.path)


def leftovers(parent: Path) -> list[Leftover]:
    """The leftovers of dead runs, in an order in which they can be removed."""
    found = [
        Leftover(f"process {folder.name} of run {run_id}", folder)
        for folder, run_id, runner in labelled_processes()
        if runner.dead
    ]
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        label = _read(folder)
        if label is None or not label.runner.dead:
            continue
        groups = [Path(group) for group in label.groups]
        found += [
            Leftover(f"control group {group} of run {label.run_id}", group)
            for group in groups
            if cgroup.is_group(group)
        ]
        found.append(Leftover(f"scratch folder {folder} of run {label.run_id}", folder))
    return found


def labelled_processes() -> Iterator[tuple[Path, str, Runner]]:
    """The folder in /proc, the run's id and the runner of every process that has a full label."""
    for folder in processes():
        with suppress(OSError, ValueError, KeyError):
            text = (folder / "environ").read_bytes().decode(errors="replace")
            pairs = (variable.partition("=") for variable in text.split("\0"))
            variables = {name: value for name, _, value in pairs}
            yield folder, variables[RUN_VARIABLE], Runner.parse(variables[RUNNER_VARIABLE])


def processes() -> Iterator[Path]:
    """The folder in /proc of every process in our PID namespace."""
    return (folder for folder in Path("/proc").iterdir() if folder.name.isdigit())


def start_time(pid: int) -> int | None:
    """A process's start time, in clock ticks since boot; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(") ")[2].split()  # the name before may contain anything
    return None if state in "XZ" else int(fields[18])


def _here() -> tuple[str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, str(Path("/proc/self/ns/pid").stat().st_ino)


def _read(folder: Path) -> Label | None:
    """The label of a scratch folder; None if it has none or another owner."""
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return None
        return msgspec.json.decode((folder / LABEL_FILE).read_bytes(), type=Label)
    except (OSError, msgspec.ValidationError, msgspec.DecodeError):
        return None
