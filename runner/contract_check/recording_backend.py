"""A backend around another one that takes down what attempts do not record of their processes.

It lets a trial change the environment of a side, and sees how long processes take to stop, what
cannot be started at all, and whether anything was changed that belongs to the runner.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from quicmatrix.runner.bundle import untrusted_files
from quicmatrix.runner.model.attempt import FileRecord
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.sandbox.model import (
    Backend,
    Exit,
    Folders,
    Form,
    Host,
    Launch,
    LaunchError,
    Limits,
    Process,
    Sandbox,
)
from quicmatrix.runner.trace.model import Side

_ENTRIES = 4096
_BYTES = 64 * 1024 * 1024
_State = dict[tuple[str, str], FileRecord]


@dataclass(slots=True)
class Testimony:
    """What was seen of one side."""

    __test__ = False

    unlaunchable: str = ""
    """Why its program could not be started."""
    exit: Exit | None = None
    ran_s: float = 0.0
    """From its start to its end."""
    stopping_s: float | None = None
    """From SIGTERM to its end; None if it was not stopped."""


@dataclass(slots=True)
class Witness:
    """See :class:`quicmatrix.runner.sandbox.model.Backend`; for one sandbox."""

    backend: Backend
    changes: Mapping[Side, Mapping[str, str | None]] = field(default_factory=dict)
    """By side, what its environment has in place of what it was given."""
    testimonies: dict[Side, Testimony] = field(
        default_factory=lambda: {side: Testimony() for side in Side}
    )
    altered: tuple[str, ...] = ()
    """What was changed in /www and /certs."""

    @property
    def form(self) -> Form:
        """As the backend says."""
        return self.backend.form

    @property
    def images(self) -> Mapping[str, Image]:
        """As the backend says."""
        return self.backend.images

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """As the backend says."""
        return self.backend.obstacle(implementation, role)

    def require(self, implementation: Implementation, role: Side) -> None:
        """As the backend does."""
        self.backend.require(implementation, role)

    def check(self) -> Sequence[str]:
        """As the backend does."""
        return self.backend.check()

    @asynccontextmanager
    async def sandbox(
        self, run_id: str, folders: Folders, limits: Limits
    ) -> AsyncIterator[Sandbox]:
        """A sandbox of the backend, with somebody who watches."""
        before = _state(folders)
        async with self.backend.sandbox(run_id, folders, limits) as sandbox:
            yield _Watched(
                _WatchedHost(
                    sandbox.client, self.changes.get(Side.CLIENT, {}), self.testimonies[Side.CLIENT]
                ),
                _WatchedHost(
                    sandbox.server, self.changes.get(Side.SERVER, {}), self.testimonies[Side.SERVER]
                ),
                sandbox.sim,
            )
            self.altered = _differences(before, _state(folders))

    def leftovers(self) -> Sequence[str]:
        """As the backend says."""
        return self.backend.leftovers()

    def clean(self) -> Sequence[str]:
        """As the backend does."""
        return self.backend.clean()


@dataclass(frozen=True, slots=True)
class _Watched:
    client: Host
    server: Host
    sim: Host


@dataclass(frozen=True, slots=True)
class _WatchedHost:
    host: Host
    changes: Mapping[str, str | None]
    testimony: Testimony

    async def start(self, launch: Launch, log: Path) -> Process:
        merged = {**launch.environment, **self.changes}
        environment = {name: value for name, value in merged.items() if value is not None}
        began = time.monotonic()
        try:
            process = await self.host.start(replace(launch, environment=environment), log)
        except LaunchError as error:
            self.testimony.unlaunchable = str(error)
            raise
        return _WatchedProcess(process, began, self.testimony)

    def folder(self, path: str) -> Path:
        return self.host.folder(path)


@dataclass(frozen=True, slots=True)
class _WatchedProcess:
    process: Process
    began: float
    testimony: Testimony

    async def wait(self) -> Exit:
        return self._ended(await self.process.wait())

    async def stop(self) -> Exit:
        began = time.monotonic()
        how = await self.process.stop()
        if self.testimony.exit is None:
            self.testimony.stopping_s = time.monotonic() - began
        return self._ended(how)

    async def kill(self) -> Exit:
        return self._ended(await self.process.kill())

    def _ended(self, how: Exit) -> Exit:
        if self.testimony.exit is None:
            self.testimony.exit, self.testimony.ran_s = how, time.monotonic() - self.began
        return how


def _state(folders: Folders) -> _State:
    """What lies in the folders that endpoints may only read."""
    return {
        (path, record.name): record
        for path, folder in (("/www", folders.www), ("/certs", folders.certs))
        for record in untrusted_files.manifest(folder, _ENTRIES, _BYTES)[0]
    }


def _differences(before: _State, after: _State) -> tuple[str, ...]:
    return tuple(
        f"{path}/{name}"
        for path, name in sorted(before.keys() | after.keys())
        if before.get((path, name)) != after.get((path, name))
    )
