"""The files of an attempt: random bytes under random names, the same for the same seed."""

from __future__ import annotations

import hashlib
import random
import string
from pathlib import Path

from quicmatrix.runner.model.attempt import EntryKind, FileRecord
from quicmatrix.testcases.model import TestCase


def fill_www(folder: Path, test: TestCase, seed: int) -> tuple[FileRecord, ...]:
    """Write the files that a test case serves.

    Returns:
        What was written, in the order in which the client is to request it.
    """
    source = random.Random(f"{seed}/{test.name}")  # noqa: S311 - replayable, not secret
    records: dict[str, FileRecord] = {}
    for size in test.files:
        name = _name(source, test.file_name_length)
        while name in records:
            name = _name(source, test.file_name_length)
        data = source.randbytes(size)
        path = folder / name
        path.write_bytes(data)
        path.chmod(0o444)
        records[name] = FileRecord(name, EntryKind.FILE, size, hashlib.sha256(data).hexdigest())
    return tuple(records.values())


def _name(source: random.Random, length: int) -> str:
    return "".join(source.choices(string.ascii_lowercase + string.digits, k=length))
