"""Standard output and standard error that may be gone, full, or of a poor character set.

A reader that ends early (``| head -1``) or a full disk behind ``>`` must not end a run whose
results are stored anyway: what cannot be written is dropped, and the command line says so at its
end. In a character set without them, marks are shown by ASCII characters of the same width.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_ASCII = str.maketrans(
    {
        "✓": "+",
        "✕": "x",
        "†": "#",
        "…": ".",
        "⊘": "0",
        "⊗": "X",
        "○": "o",
        "≈": "~",
        "↓": "v",
        "→": ">",
        "←": "<",
        "▶": ">",
        "±": "~",
        "─": "-",
    }
)
"""What stands for the characters that quicmatrix itself prints."""


class Sink(io.RawIOBase):
    """A binary stream that drops everything after its first error, and remembers that error."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self.error: OSError | None = None

    @property
    def name(self) -> str:
        """The stream's, e.g. ``<stdout>``."""
        return self._stream.name

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write all of it, now, or drop it."""
        if self.error is None:
            try:
                self._stream.buffer.write(data)
                self._stream.buffer.flush()
            except OSError as error:
                self.error = error
                self._forget()
        return len(data)

    def writable(self) -> bool:
        """True: errors are not the writer's."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()

    def _forget(self) -> None:
        """Make the descriptor /dev/null, since what is still buffered would fail again at exit."""
        with contextlib.suppress(OSError):  # a stream in memory has no descriptor
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


class Writer(io.TextIOWrapper):
    """Text to a :class:`Sink`, in its stream's encoding."""

    def __init__(self, stream: TextIO) -> None:
        self.sink = Sink(stream)
        super().__init__(
            self.sink,
            encoding=stream.encoding,
            errors="backslashreplace",
            newline="\n",
            write_through=True,
        )
        try:
            "".join(map(chr, _ASCII)).encode(stream.encoding)
        except UnicodeEncodeError:
            self._poor = True
        else:
            self._poor = False

    def write(self, text: str, /) -> int:
        """Write text; marks that the encoding lacks as ASCII, other characters spelt out."""
        return super().write(text.translate(_ASCII) if self._poor else text)


@contextlib.contextmanager
def tolerant_output() -> Iterator[list[OSError]]:
    """Let sys.stdout and sys.stderr take everything while the context lasts.

    Yields:
        What went wrong with them, filled when it ends.
    """
    before = sys.stdout, sys.stderr
    writers = [Writer(stream) for stream in before]
    errors: list[OSError] = []
    sys.stdout, sys.stderr = writers
    try:
        yield errors
    finally:
        for writer in writers:
            writer.flush()
        errors += [writer.sink.error for writer in writers if writer.sink.error]
        sys.stdout, sys.stderr = before
        for writer in writers:
            writer.detach()
