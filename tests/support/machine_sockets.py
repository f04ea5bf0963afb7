"""A socket and a FIFO on the machine's disk, and a script that tries to reach them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROBE = """
import os, socket, sys
for folder in sys.argv[1:]:
    assert sorted(os.listdir(folder)) == ["fifo", "socket"], os.listdir(folder)
    try:
        socket.socket(socket.AF_UNIX).connect(f"{folder}/socket")
        print("the socket answers")
    except OSError as error:
        print(error.strerror)
    try:
        os.open(f"{folder}/fifo", os.O_WRONLY | os.O_NONBLOCK)
        print("the FIFO has a reader")
    except OSError as error:
        print(error.strerror)
"""
REACHED = "the socket answers\nthe FIFO has a reader\n"
NOT_REACHED = "Connection refused\nNo such device or address\n"


@contextmanager
def listening(folder: Path) -> Iterator[None]:
    """``socket`` and ``fifo`` in a folder, open to every user, with us at their other ends."""
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        os.mkfifo(folder / "fifo")
        for name in ("socket", "fifo"):
            (folder / name).chmod(0o777)
        reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield
        finally:
            os.close(reader)
