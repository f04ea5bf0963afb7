"""The TLS secrets that both sides logged, as one key log for tshark."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

_LINE = re.compile(rb"[A-Z0-9_]{1,64} [0-9a-fA-F]{64} (?:[0-9a-fA-F]{64}|[0-9a-fA-F]{96})")
"""A secret is as long as the hash of its cipher suite (RFC 8446, 7.1): SHA-256 or SHA-384."""
_MOST_BYTES = 8 * 1024 * 1024


def merge(paths: Iterable[Path]) -> bytes:
    """All well-formed lines of the key logs there are, each once.

    The files were written by endpoints under test: what is not in NSS key log format is left out,
    links are not followed, and what is no file, or lies beyond 8 MiB of one, is not read. A line
    that was cut off, as by the end of a buffer, is left out where another one has all of it.
    """
    lines: dict[bytes, None] = {}
    for path in paths:
        lines |= dict.fromkeys(
            line for line in map(bytes.strip, _read(path).splitlines()) if _LINE.fullmatch(line)
        )
    cut_off = {one for one, other in pairwise(sorted(lines)) if other.startswith(one)}
    return b"".join(line + b"\n" for line in lines if line not in cut_off)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""  # an endpoint without a key log is judged by what is in the clear
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_MOST_BYTES)
    finally:
        os.close(descriptor)
