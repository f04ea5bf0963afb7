"""Sandboxes made of Linux namespaces: no container engine, no images, a fraction of a second each.

Everything is owned by processes that we hold on a pipe
(:mod:`quicmatrix.runner.sandbox.netns.holder`), so nothing can stay behind when the runner dies but
an empty scratch folder and empty control groups, and those carry the run's label
(:mod:`quicmatrix.runner.sandbox.label`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.plan.implementations import missing_program, require_program
from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.label import Label, Runner
from quicmatrix.runner.sandbox.model import Folders, Form, Limits
from quicmatrix.runner.sandbox.netns import cgroup, privileges
from quicmatrix.runner.sandbox.netns.holder import finish
from quicmatrix.runner.sandbox.netns.host import NetnsHost
from quicmatrix.runner.sandbox.topology import Joined
from quicmatrix.runner.trace.model import Side

SIDES = ("client", "server")
NetnsSandbox = Joined[NetnsHost]
"""A sandbox whose sides, too, are made of namespaces."""


class NetnsBackend:
    """Sandboxes made of namespaces; see :class:`quicmatrix.runner.sandbox.model.Backend`.

    Args:
        scratch: Where each sandbox has a folder while it lasts; the machine's /tmp if None.
        stop_grace_s: How long a program may take to end after SIGTERM.
        visible: Paths that both sides see, read-only, wherever they lie. Our own Python and
            virtualenv, and each program and its working directory, are visible in any case.
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
        self._visible = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parent, *visible)

    @property
    def form(self) -> Form:
        """Local commands."""
        return Form.COMMAND

    @property
    def images(self) -> Mapping[str, Image]:
        """None are used."""
        return {}

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """Which program is missing; empty if none is."""
        return missing_program(implementation, role)

    def require(self, implementation: Implementation, role: Side) -> None:
        """Make sure that there is a program for a role.

        Raises:
            UserError: There is none.
        """
        require_program(implementation, role)

    def check(self) -> Sequence[str]:
        """Find out whether namespaces can be made here.

        Raises:
            UserError: They cannot; the hint says what to do.
        """
        privileges.check()
        return privileges.reachable_sockets()

    @asynccontextmanager
    async def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AsyncIterator[NetnsSandbox]:
        """Three hosts, joined by two wires, gone when the context is left.

        Raises:
            SandboxError: The machine refused to make them, or something of them is left.
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
                )
                for name in (*SIDES, "sim")
            ]
            sandbox = Joined(*hosts)
            try:
                await sandbox.create()
                yield sandbox
            finally:
                await finish(sandbox.remove())

    def limited(self) -> frozenset[str]:
        """Which of ``memory`` and ``pids`` a whole side is held to, by control groups.

        What is not is limited process by process, and for root processes not even counted.
        """
        return cgroup.group(_parents(), "").limited

    def leftovers(self) -> Sequence[str]:
        """What dead runs left behind, one line each."""
        return [leftover.text for leftover in label.leftovers(self._scratch)]

    def clean(self) -> Sequence[str]:
        """Remove it; one line for each thing removed."""
        found = label.leftovers(self._scratch)
        for leftover in found:
            leftover.remove()
        return [leftover.text for leftover in found]


def _parents() -> tuple[cgroup.Parent, ...]:
    """The control groups that we can make others in."""
    files = (Path("/proc/self", name) for name in ("cgroup", "mountinfo"))
    return cgroup.parents(*(file.read_text("utf-8", errors="surrogateescape") for file in files))
