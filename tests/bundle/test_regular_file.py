"""What stands in a bundle in the place of a file neither blocks nor floods whoever reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.regular_file import open_regular


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with open_regular(path, 3) as file:
        assert file.read() == b"abc"


def test_anything_else_is_refused_at_once(tmp_path: Path) -> None:
    fifo, sparse = tmp_path / "fifo", tmp_path / "sparse"
    os.mkfifo(fifo)
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    before = open_files()
    for path, reason in (
        (fifo, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path, "Is a directory"),
        (sparse, "larger than 100 bytes"),
    ):
        with pytest.raises(OSError, match=reason):
            open_regular(path, 100)
    assert open_files() == before
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none", 100)
