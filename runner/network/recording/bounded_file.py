"""A file with a size limit that never raises while it is written, so that forwarding goes on."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

_BUFFER = 128 * 1024
"""Large enough for few writes, small enough that one of them does not delay deliveries."""


class BoundedFile:
    """Appends to a new file until its limit is reached or the disk refuses, and keeps the reason.

    Subclasses define the format. Nothing here raises once the file is open.

    Args:
        path: The file to make.
        limit_bytes: The largest size of the file.
        reserved_bytes: How much of that is reserved for :meth:`closing`.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, limit_bytes: int, reserved_bytes: int = 0) -> None:
        self._file = path.open("wb", buffering=_BUFFER)
        self._limit = limit_bytes
        self._remaining = limit_bytes - reserved_bytes
        self.truncated = ""
        """Why something is missing at the end; empty if nothing is."""

    def append(self, data: bytes) -> None:
        """Write all of it; if it does not fit, write nothing, now and later."""
        if self.truncated:
            return
        if len(data) > self._remaining:
            self.truncated = f"limit of {self._limit} bytes reached"
            return
        self._remaining -= len(data)
        try:
            self._file.write(data)
        except OSError as error:
            self._fail(error)

    def closing(self) -> bytes:
        """The last bytes of the file, also of one that was truncated."""
        return b""

    def close(self) -> None:
        """Write what is buffered and the last bytes. A second call does nothing."""
        if self._file.closed:
            return
        try:
            with self._file:
                self._file.write(self.closing())
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.truncated = self.truncated or f"cannot write: {error.strerror}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
