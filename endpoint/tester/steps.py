"""The log of a case: what the tester sent and saw, a JSON object a line.

A datagram is named by its digest, which finds it in the captures: also one whose packet nobody
can decrypt, or that has no frames.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

STEPS_FILE = "tester.jsonl"
"""Its name in /logs."""
DIGEST_DIGITS = 16


def digest(datagram: bytes) -> str:
    """The name of a datagram: the beginning of its SHA-256, in hexadecimal."""
    return hashlib.sha256(datagram).hexdigest()[:DIGEST_DIGITS]


class Steps:
    """Writes the log, every line at once: the process may be killed at any time.

    Args:
        file: Where it goes.
        clock: Seconds since the epoch.
    """

    def __init__(self, file: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    @classmethod
    def open(cls, folder: Path) -> Steps:
        """The log in a folder."""
        return cls((folder / STEPS_FILE).open("a", encoding="utf-8"))

    def add(
        self,
        kind: str,
        text: str = "",
        *,
        datagram: bytes | None = None,
        packet: str = "",
        number: int | None = None,
    ) -> None:
        """Write a line.

        Args:
            kind: ``stimulus``, ``sent``, ``probe``, ``seen``, ``waited``, ``skipped``, ``done`` or
                ``failed``.
            text: For people.
            datagram: What was sent, if something was.
            packet: The type of the packet in it, in RFC 9000's words.
            number: Its packet number.
        """
        line: dict[str, object] = {"time": self._clock(), "kind": kind, "text": text}
        if datagram is not None:
            line["datagram"] = digest(datagram)
        if packet:
            line |= {"packet": packet, "number": number}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """End it."""
        self._file.close()
