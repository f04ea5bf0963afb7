"""The middlebox's side of the control protocol: what it reports, and how it hears that it is over.

The protocol itself is described in :mod:`quicmatrix.runner.network.__main__`.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

Fields = Mapping[str, object]


class Control(Protocol):
    """Whoever started the middlebox."""

    def emit(self, event: str, fields: Fields) -> None:
        """Report something, at once."""

    def fileno(self) -> int:
        """For select(): readable when there may be a word from them."""

    def over(self) -> bool:
        """Whether the word that can be read now is that it is over."""


class StandardStreams:
    """Events go to standard output; it is over when standard input ends."""

    def emit(self, event: str, fields: Fields) -> None:
        """Report something, at once."""
        os.write(1, _line(event, fields))

    def fileno(self) -> int:
        """For select()."""
        return 0

    def over(self) -> bool:
        """Whether standard input is at its end."""
        return not os.read(0, 4096)


class ControlSocket:
    """Events go to a Unix socket that the runner listens on.

    It is over when the runner says anything, or is gone.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(os.fspath(path))

    def emit(self, event: str, fields: Fields) -> None:
        """Report something, at once."""
        try:
            self._socket.sendall(_line(event, fields))
        except (BrokenPipeError, ConnectionResetError):
            return  # nobody listens any more; over() will tell

    def fileno(self) -> int:
        """For select()."""
        return self._socket.fileno()

    def over(self) -> bool:
        """Always: the runner has nothing else to say."""
        return True

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _line(event: str, fields: Fields) -> bytes:
    return json.dumps({"event": event, **fields}).encode() + b"\n"
