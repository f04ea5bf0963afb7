"""The docker backend: the sides are containers, the sim between them is made of namespaces.

The engine creates the containers without a network; ours,
:mod:`quicmatrix.runner.sandbox.topology`, has no bridge and no route to the outside. Everything is
labelled with the run's id, by which leftovers are found.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from quicmatrix.runner.checkout import script_hint
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.docker.container import (
    MEMLOCK,
    RUN_LABEL,
    RUNNER_LABEL,
    SANDBOX_LABEL,
    Side,
)
from quicmatrix.runner.sandbox.docker.engine import Engine, Labelled, connect
from quicmatrix.runner.sandbox.docker.host import DockerHost
from quicmatrix.runner.sandbox.docker.images import Images, Progress, silent
from quicmatrix.runner.sandbox.docker.preflight import preflight
from quicmatrix.runner.sandbox.label import Label, Runner
from quicmatrix.runner.sandbox.model import Folders, Form, Limits, SandboxError
from quicmatrix.runner.sandbox.netns import cgroup, privileges
from quicmatrix.runner.sandbox.netns.holder import finish
from quicmatrix.runner.sandbox.netns.host import NetnsHost
from quicmatrix.runner.sandbox.topology import Topology
from quicmatrix.runner.trace.model import Side as Role

HOLDER_IMAGE = "quicmatrix/network:latest"
DockerSandbox = Topology[DockerHost]
"""A sandbox whose sides are containers."""


class DockerBackend:
    """Sandboxes made of containers; see :class:`quicmatrix.runner.sandbox.model.Backend`.

    Args:
        connect: Connects to the engine.
        progress: Receives the progress of pulls.
        scratch: The folder in which each sandbox has one while it lasts; /tmp if None.
        stop_grace_s: How long an endpoint may take to end after SIGTERM.
        holder_image: The image of holders: any with ``env`` and ``cat``.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Engine] = connect,
        progress: Progress = silent,
        scratch: Path | None = None,
        stop_grace_s: float = 5.0,
        holder_image: str = HOLDER_IMAGE,
    ) -> None:
        self._connect = connect
        self._progress = progress
        self._scratch = scratch or Path(tempfile.gettempdir())
        self._stop_grace_s = stop_grace_s
        self._holder_image = holder_image
        self._found: Images | None = None
        self.memlock: int | None = MEMLOCK
        """RLIMIT_MEMLOCK of endpoints; None if :meth:`check` found that the engine may not raise
        it to the contract's 64 MiB, and they inherit the engine's."""

    @property
    def engine(self) -> Engine:
        """The engine; connected at the first use.

        Raises:
            UserError: There is none, or it refuses the connection.
        """
        return self._images.engine

    @property
    def form(self) -> Form:
        """Images."""
        return Form.IMAGE

    @property
    def images(self) -> Mapping[str, Image]:
        """By reference, those that were required."""
        return self._images.known

    def obstacle(self, implementation: Implementation, role: Role) -> str:
        """Why it cannot be started as it is: no image, or one that is not local."""
        return self._images.obstacle(implementation, role)

    def require(self, implementation: Implementation, role: Role) -> None:
        """Pull its image if it is not local.

        Raises:
            UserError: It cannot be pulled, or is for another architecture.
        """
        self._images.require(implementation, role)

    def check(self) -> Sequence[str]:
        """Check that sandboxes can be made here: creates a side's container, and removes it.

        Returns:
            A line if endpoints cannot lock as much memory as the contract says.

        Raises:
            UserError: They cannot be made; the hint says what to do.
        """
        privileges.check_real_root()
        engine = self.engine
        if engine.image(self._holder_image) is None:
            raise UserError(
                f"there is no image {self._holder_image}, which the hosts are created from",
                script_hint("scripts/images builds it, without any registry"),
            )
        self.memlock = preflight(engine, self._holder_image, self._scratch, MEMLOCK)
        if self.memlock is not None:
            return ()
        return ("the engine may not raise the memlock limit to 64 MiB: endpoints have its own",)

    @asynccontextmanager
    async def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AsyncIterator[DockerSandbox]:
        """Three hosts and two links between them, removed when the context is left.

        Raises:
            SandboxError: They cannot be made, or something of them is left.
        """
        with label.scratch_folder(self._scratch) as scratch:
            mark = Label(run_id, Runner.this())
            label.attach(mark, scratch)
            sim = NetnsHost(
                name="sim",
                scratch=scratch,
                folders=folders,
                limits=limits,
                label=mark,
                group=cgroup.Group(),
                grace_s=self._stop_grace_s,
                visible=(),
            )
            client, server = (
                self._host(Side(name, scratch.name, mark, folders, limits))
                for name in ("client", "server")
            )
            sandbox = Topology(client, server, sim)
            try:
                await sandbox.create()
                yield sandbox
            finally:
                await finish(self._remove(sandbox, scratch.name))

    def leftovers(self) -> Sequence[str]:
        """What dead runs left behind, one line each."""
        return [
            *(leftover.text for leftover in label.leftovers(self._scratch)),
            *(_describe(thing) for thing in self._dead()),
        ]

    def clean(self) -> Sequence[str]:
        """Remove it; one line for each thing removed."""
        # A holder's container runs until the process that keeps its standard input open is gone.
        dead = self._dead()
        folders = label.leftovers(self._scratch)
        for leftover in folders:
            leftover.remove()
        for thing in dead:
            self.engine.remove(thing)
        return [*(leftover.text for leftover in folders), *map(_describe, dead)]

    def _host(self, side: Side) -> DockerHost:
        return DockerHost(
            side=side,
            engine=self.engine,
            image=self._holder_image,
            ids={reference: image.id for reference, image in self.images.items()},
            memlock=self.memlock,
            grace_s=self._stop_grace_s,
        )

    @property
    def _images(self) -> Images:
        if self._found is None:
            self._found = Images(self._connect(), self._progress)
        return self._found

    async def _remove(self, sandbox: DockerSandbox, name: str) -> None:
        await sandbox.remove()
        left = await asyncio.to_thread(self.engine.labelled, f"{SANDBOX_LABEL}={name}")
        if left:
            described = ", ".join(_describe(thing) for thing in left)
            raise SandboxError(f"something of a sandbox is left: {described}")

    def _dead(self) -> list[Labelled]:
        """Containers and volumes of dead runs, in this order."""
        return [thing for thing in self.engine.labelled(RUNNER_LABEL) if _dead(thing)]


def _dead(thing: Labelled) -> bool:
    """Whether the run that created it is known to be dead."""
    with suppress(ValueError):
        return Runner.parse(thing.labels[RUNNER_LABEL]).dead
    return False


def _describe(thing: Labelled) -> str:
    return f"{thing.kind} {thing.name or thing.id[:12]} of run {thing.labels.get(RUN_LABEL, '?')}"
