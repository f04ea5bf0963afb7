"""The middlebox's side of the control protocol: it reports events and learns when to stop.

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
    """The connection to the program that started the middlebox."""

    def emit(self, event: str, fields: Fields) -> None:
        """Report an event at once."""

    def fileno(self) -> int:
        """For select(): readable when :meth:`stop_requested` may have changed."""

    def stop_requested(self) -> bool:
        """Whether what can be read now asks the middlebox to stop."""


class StandardStreams:
    """Events go to standard output; the end of standard input asks to stop."""

    def emit(self, event: str, fields: Fields) -> None:
        """Report an event at once."""
        os.write(1, _line(event, fields))

    def fileno(self) -> int:
        """For select()."""
        return 0

    def stop_requested(self) -> bool:
        """Whether standard input is at its end."""
        return not os.read(0, 4096)


class ControlSocket:
    """Events go to a Unix socket that the runner listens on.

    Anything that the runner sends, and the end of the connection, ask to stop.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(os.fspath(path))

    def emit(self, event: str, fields: Fields) -> None:
        """Report an event at once."""
        try:
            self._socket.sendall(_line(event, fields))
        except (BrokenPipeError, ConnectionResetError):
            return  # the runner is gone: the socket is readable, and the loop will stop

    def fileno(self) -> int:
        """For select()."""
        return self._socket.fileno()

    def stop_requested(self) -> bool:
        """Always true: the runner sends nothing else."""
        return True

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _line(event: str, fields: Fields) -> bytes:
    return json.dumps({"event": event, **fields}).encode() + b"\n"
