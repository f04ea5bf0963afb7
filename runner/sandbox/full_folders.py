"""Which of a side's folders of limited size were full while a program ran.

The kernel has no event for it, so they are looked at again and again, and once at the end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from quicmatrix.runner.sandbox.model import MIB, Limits

PERIOD_S = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FullFolders:
    """Looks at folders, each of which is a tmpfs of its own."""

    folder: Callable[[str], Path]
    """Where a folder of the side lies in our mount namespace."""
    sizes: Mapping[str, int]
    """Bytes by folder."""
    _full: set[str] = field(default_factory=set)

    async def during(self, work: asyncio.Future[T]) -> T:
        """Look at them until something is done; returns its result."""
        while not work.done():
            await asyncio.wait({work}, timeout=PERIOD_S)
            self.look()
        return work.result()

    def look(self) -> None:
        """Look at them once."""
        for path in self.sizes:
            with suppress(OSError):  # the host is gone, which others report
                status = os.statvfs(self.folder(path))
                if not status.f_bavail or not status.f_favail:
                    self._full.add(path)

    @property
    def exceeded(self) -> tuple[str, ...]:
        """Those that were full, with their limits, in words."""
        return tuple(
            f"{size // MIB} MiB or too many entries in {path}"
            for path, size in self.sizes.items()
            if path in self._full
        )


def volumes(limits: Limits) -> dict[str, int]:
    """The limited folders that every side has."""
    return {"/downloads": limits.downloads_bytes, "/logs": limits.logs_bytes}


def all_folders(limits: Limits) -> dict[str, int]:
    """And those that a side of namespaces has besides."""
    temporary = dict.fromkeys(("/tmp", "/dev/shm"), limits.temporary_bytes)  # noqa: S108 - the side's
    return {**volumes(limits), **temporary}
