"""Sandboxes whose sides are containers; the sim between them is made of namespaces, as always.

The engine makes the containers; the network is ours (:mod:`quicmatrix.runner.sandbox.topology`),
and has neither a bridge nor a way out. Everything carries the run's id as a label, by which it is
found again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

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
from quicmatrix.runner.sandbox.docker.preflight import try_out
from quicmatrix.runner.sandbox.label import Label, Runner
from quicmatrix.runner.sandbox.model import Folders, Form, Limits, SandboxError
from quicmatrix.runner.sandbox.netns import cgroup, privileges
from quicmatrix.runner.sandbox.netns.holder import finish
from quicmatrix.runner.sandbox.netns.host import NetnsHost
from quicmatrix.runner.sandbox.topology import Joined
from quicmatrix.runner.trace.model import Side as Role

HOLDER_IMAGE = "quicmatrix/network:latest"
DockerSandbox = Joined[DockerHost]
"""A sandbox whose sides are containers."""


class DockerBackend:
    """Sandboxes made of containers; see :class:`quicmatrix.runner.sandbox.model.Backend`.

    Args:
        connect: What finds the engine.
        progress: Who is told how an image is fetched.
        scratch: Where each sandbox has a folder while it lasts; the machine's /tmp if None.
        stop_grace_s: How long an endpoint may take to end after SIGTERM.
        holder_image: What the sides' hosts are made of: anything with ``env`` and ``cat``.
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
        """What endpoints may lock in memory; None if :meth:`check` found that the engine has no
        right to grant the contract's 64 MiB, and they get what it has itself."""

    @property
    def engine(self) -> Engine:
        """The engine; connected when it is first asked for.

        Raises:
            UserError: There is none, or it does not want us.
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
        """Why it cannot be started as it is: no image, or one that is not here."""
        return self._images.obstacle(implementation, role)

    def require(self, implementation: Implementation, role: Role) -> None:
        """See to it that its image is here, even if it has to be fetched.

        Raises:
            UserError: It cannot be had, or not for this machine.
        """
        self._images.require(implementation, role)

    def check(self) -> Sequence[str]:
        """Find out whether sandboxes can be made here: makes a side, and removes it.

        Returns:
            That endpoints cannot lock as much memory as the contract says, if so.

        Raises:
            UserError: They cannot; the hint says what to do.
        """
        privileges.check_real_root()
        engine = self.engine
        if engine.image(self._holder_image) is None:
            raise UserError(
                f"there is no image {self._holder_image}, which the hosts are made of",
                "scripts/images builds it, without any registry",
            )
        self.memlock = try_out(engine, self._holder_image, self._scratch, MEMLOCK)
        if self.memlock is not None:
            return ()
        return ("the engine may not raise the memlock limit to 64 MiB: endpoints have its own",)

    @asynccontextmanager
    async def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AsyncIterator[DockerSandbox]:
        """Three hosts, joined by two wires, gone when the context is left.

        Raises:
            SandboxError: The machine refused to make them, or something of them is left.
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
            sandbox = Joined(client, server, sim)
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
        # Before its process is gone, the holder's container runs.
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
        """What dead runs left with the engine, containers first."""
        return [thing for thing in self.engine.labelled(RUNNER_LABEL) if _dead(thing)]


def _dead(thing: Labelled) -> bool:
    """Whether the run that made it is known to be dead."""
    with suppress(ValueError):
        return Runner.parse(thing.labels[RUNNER_LABEL]).dead
    return False


def _describe(thing: Labelled) -> str:
    return f"{thing.kind} {thing.name or thing.id[:12]} of run {thing.labels.get(RUN_LABEL, '?')}"
