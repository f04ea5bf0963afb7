"""Opens files in /www and /downloads, and nowhere else."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from quicmatrix.endpoint.errors import EndpointError


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that is being served."""

    size: int
    content: BinaryIO


class WebRoot:
    """The folder that is served.

    Raises:
        EndpointError: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._root = folder.resolve(strict=True)
        except OSError as error:
            raise EndpointError(f"cannot serve {folder}: {error.strerror}") from None

    def open(self, target: str) -> ServedFile | None:
        """Open what a request's path, perhaps with a query, names.

        None if that is not a regular file below the folder, once all links are followed.
        """
        path = unquote(target.partition("?")[0], errors="surrogateescape")
        if "\0" in path:
            return None
        try:
            real = (self._root / path.lstrip("/")).resolve(strict=True)
            if not real.is_relative_to(self._root):
                return None
            # Never waits for the other end of a FIFO, and follows no link made meanwhile.
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, RuntimeError):  # RuntimeError: a loop of links, in Python 3.11 and 3.12
            return None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return None
        return ServedFile(status.st_size, os.fdopen(descriptor, "rb", buffering=0))


class Downloads:
    """The folder that files are written to.

    Raises:
        EndpointError: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise EndpointError(f"cannot write to {folder}: not a folder")

    def create(self, name: str) -> BinaryIO:
        """An empty file of that name, directly in the folder; a link in its place is not followed.

        Raises:
            EndpointError: It cannot be made.
        """
        assert name == Path(name).name, "checked where REQUESTS is read"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._folder / name, flags, 0o644)
        except OSError as error:
            raise EndpointError(f"cannot write {self._folder / name}: {error.strerror}") from None
        return os.fdopen(descriptor, "wb", buffering=0)
