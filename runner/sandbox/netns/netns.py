"""The netns backend: sandboxes of Linux namespaces, without a container engine or images.

Namespaces, mounts and interfaces live as long as processes that end with the runner
(:mod:`quicmatrix.runner.sandbox.netns.holder`). A runner that is killed leaves only an empty
scratch folder and empty control groups, which have the run's label
(:mod:`quicmatrix.runner.sandbox.label`).
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.plan.implementations import missing_program, require_program
from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.label import Label, Runner
from quicmatrix.runner.sandbox.model import Folders, Form, Launch, Limits
from quicmatrix.runner.sandbox.netns import cgroup, privileges
from quicmatrix.runner.sandbox.netns.holder import finish
from quicmatrix.runner.sandbox.netns.host import NetnsHost
from quicmatrix.runner.sandbox.netns.visible import hidden, required_paths, runner_paths
from quicmatrix.runner.sandbox.topology import Topology
from quicmatrix.runner.trace.model import Side

SIDES = ("client", "server")
ELSEWHERE = "move it to another folder, such as one in /home, /opt or /tmp"
NetnsSandbox = Topology[NetnsHost]
"""A sandbox whose sides are namespaces too."""


class NetnsBackend:
    """Sandboxes of namespaces; see :class:`quicmatrix.runner.sandbox.model.Backend`.

    Args:
        scratch: The folder in which each sandbox has one while it lasts; /tmp if None.
        stop_grace_s: How long a program may take to end after SIGTERM.
        visible: Paths that are mounted read-only on both sides even below /tmp and /run. Our
            Python, its packages and our code, and what each program needs, are in any case.
    """

    def __init__(
        self,
        *,
        scratch: Path | None = None,
        stop_grace_s: float = 5.0,
        visible: Sequence[Path] = (),
    ) -> None:
        self._scratch = scratch or Path(tempfile.gettempdir())
        self._stop_grace_s = stop_grace_s
        self._visible = (*runner_paths(), *visible)

    @property
    def form(self) -> Form:
        """Local commands."""
        return Form.COMMAND

    @property
    def images(self) -> Mapping[str, Image]:
        """None are used."""
        return {}

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """Which program is missing, or cannot be seen in a sandbox; empty if none."""
        return missing_program(implementation, role) or _hidden(implementation, role)

    def require(self, implementation: Implementation, role: Side) -> None:
        """Check that there is a program for a role, and that it can be seen in a sandbox.

        Raises:
            UserError: There is none, or it cannot.
        """
        require_program(implementation, role)
        if problem := _hidden(implementation, role):
            raise UserError(problem, ELSEWHERE)

    def check(self) -> Sequence[str]:
        """Check that namespaces can be made here.

        Raises:
            UserError: They cannot be made, or hide what we need; the hint says what to do.
        """
        privileges.check()
        if problem := hidden((*self._visible, Path.cwd())):
            raise UserError(problem, ELSEWHERE)
        missing = cgroup.unlimited(self.limited())
        return (
            *privileges.reachable_sockets(),
            *privileges.readable_files(),
            *([missing] if missing else ()),
        )

    @asynccontextmanager
    async def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AsyncIterator[NetnsSandbox]:
        """Three hosts and two links between them, removed when the context is left.

        Raises:
            SandboxError: They cannot be made, or something of them is left.
        """
        parents = _parents()
        with label.scratch_folder(self._scratch) as scratch:
            sides = {name: cgroup.group(parents, f"{scratch.name}-{name}") for name in SIDES}
            paths = tuple(str(folder) for one in sides.values() for folder in one.folders)
            mark = Label(run_id, Runner.this(), paths)
            label.attach(mark, scratch)
            hosts = [
                NetnsHost(
                    name=name,
                    scratch=scratch,
                    folders=folders,
                    limits=limits,
                    label=mark,
                    group=sides.get(name, cgroup.Group()),
                    grace_s=self._stop_grace_s,
                    visible=self._visible,
                    users=self._users,
                )
                for name in (*SIDES, "sim")
            ]
            sandbox = Topology(*hosts)
            try:
                await sandbox.create()
                yield sandbox
            finally:
                await finish(sandbox.remove())

    def limited(self) -> frozenset[str]:
        """Which of ``memory`` and ``pids`` are limited for a whole side.

        The others are limited for each process by setrlimit(2), which does not count root's
        processes.
        """
        return cgroup.group(_parents(), "").limited | ({"pids"} if self._users else set())

    @cached_property
    def _users(self) -> bool:
        """Whether each side has a user namespace of its own, to have its own limit of processes."""
        limited = cgroup.group(_parents(), "").limited
        return "pids" not in limited and privileges.processes_counted_apart()

    def leftovers(self) -> Sequence[str]:
        """Leftovers of dead runs, one line each."""
        return [leftover.text for leftover in label.leftovers(self._scratch)]

    def clean(self) -> Sequence[str]:
        """Remove the leftovers of dead runs; one line for each."""
        found = label.leftovers(self._scratch)
        for leftover in found:
            leftover.remove()
        return [leftover.text for leftover in found]


def _hidden(implementation: Implementation, role: Side) -> str:
    """Why a program that is there cannot be seen in a sandbox; empty if it can."""
    problem = hidden(required_paths(Launch(implementation.commands[role], Path.cwd())))
    return f"{implementation.name}: {problem}" if problem else ""


def _parents() -> tuple[cgroup.Parent, ...]:
    """The control groups in which we can make others."""
    files = (Path("/proc/self", name) for name in ("cgroup", "mountinfo"))
    return cgroup.parents(*(file.read_text("utf-8", errors="surrogateescape") for file in files))
