"""Opens files of a bundle that somebody may have replaced: a FIFO or a device would never end."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path, max_bytes: int) -> BufferedReader:
    """Open a regular file of a limited size to read.

    Raises:
        OSError: It is something else, larger, or cannot be read; its ``strerror`` says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    problem = ""
    if stat.S_ISDIR(found.st_mode):
        problem = "Is a directory"
    elif not stat.S_ISREG(found.st_mode):
        problem = "not a regular file"
    elif found.st_size > max_bytes:
        problem = f"larger than {max_bytes} bytes"
    if problem:
        os.close(descriptor)
        raise OSError(0, problem)
    return os.fdopen(descriptor, "rb")
