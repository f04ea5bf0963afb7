"""A backend that wraps another one and records what attempt.json does not hold.

It changes the environment of a side, and records how long processes take to stop, what cannot be
started, and which files of /www and /certs were modified.
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

_MAX_ENTRIES = 4096
_MAX_BYTES = 64 * 1024 * 1024
_Files = dict[tuple[str, str], FileRecord]
"""By folder and name."""


@dataclass(slots=True)
class ProcessRecording:
    """What was recorded of one side's process."""

    launch_error: str = ""
    """Why its program could not be started; empty if it could."""
    exit: Exit | None = None
    duration_s: float = 0.0
    """From its start to its end."""
    stop_duration_s: float | None = None
    """From SIGTERM to its end; None if it was not stopped."""


@dataclass(slots=True)
class RecordingBackend:
    """A :class:`~quicmatrix.runner.sandbox.model.Backend` that records one sandbox."""

    backend: Backend
    """Where everything runs."""
    environment: Mapping[Side, Mapping[str, str | None]] = field(default_factory=dict)
    """By side, variables to set, or to remove (None)."""
    processes: dict[Side, ProcessRecording] = field(
        default_factory=lambda: {side: ProcessRecording() for side in Side}
    )
    modified_files: tuple[str, ...] = ()
    """Files of /www and /certs that were added, changed or removed."""

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
        """A sandbox of the backend whose client and server are recorded."""
        before = _files(folders)
        async with self.backend.sandbox(run_id, folders, limits) as sandbox:
            yield _RecordingSandbox(
                self._host(Side.CLIENT, sandbox.client),
                self._host(Side.SERVER, sandbox.server),
                sandbox.sim,
            )
            self.modified_files = _differences(before, _files(folders))

    def leftovers(self) -> Sequence[str]:
        """As the backend says."""
        return self.backend.leftovers()

    def clean(self) -> Sequence[str]:
        """As the backend does."""
        return self.backend.clean()

    def _host(self, side: Side, host: Host) -> _RecordingHost:
        return _RecordingHost(host, self.environment.get(side, {}), self.processes[side])


@dataclass(frozen=True, slots=True)
class _RecordingSandbox:
    client: Host
    server: Host
    sim: Host


@dataclass(frozen=True, slots=True)
class _RecordingHost:
    host: Host
    environment: Mapping[str, str | None]
    recording: ProcessRecording

    async def start(self, launch: Launch, log: Path) -> Process:
        merged = {**launch.environment, **self.environment}
        environment = {name: value for name, value in merged.items() if value is not None}
        started_at = time.monotonic()
        try:
            process = await self.host.start(replace(launch, environment=environment), log)
        except LaunchError as error:
            self.recording.launch_error = str(error)
            raise
        return _RecordingProcess(process, started_at, self.recording)

    def folder(self, path: str) -> Path:
        return self.host.folder(path)


@dataclass(frozen=True, slots=True)
class _RecordingProcess:
    process: Process
    started_at: float
    recording: ProcessRecording

    async def wait(self) -> Exit:
        return self._record(await self.process.wait())

    async def stop(self) -> Exit:
        stopped_at = time.monotonic()
        exit_ = await self.process.stop()
        if self.recording.exit is None:
            self.recording.stop_duration_s = time.monotonic() - stopped_at
        return self._record(exit_)

    async def kill(self) -> Exit:
        return self._record(await self.process.kill())

    def _record(self, exit_: Exit) -> Exit:
        if self.recording.exit is None:
            self.recording.exit = exit_
            self.recording.duration_s = time.monotonic() - self.started_at
        return exit_


def _files(folders: Folders) -> _Files:
    """The content of the folders that endpoints may only read."""
    return {
        (path, record.name): record
        for path, folder in (("/www", folders.www), ("/certs", folders.certs))
        for record in untrusted_files.manifest(folder, _MAX_ENTRIES, _MAX_BYTES)[0]
    }


def _differences(before: _Files, after: _Files) -> tuple[str, ...]:
    return tuple(
        f"{path}/{name}"
        for path, name in sorted(before.keys() | after.keys())
        if before.get((path, name)) != after.get((path, name))
    )
