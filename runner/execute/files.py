"""What an attempt finds in /www and /certs, the same for the same seed but for the keys."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import string
from pathlib import Path

from quicmatrix.runner.execute import pki
from quicmatrix.runner.model.attempt import EntryKind, FileRecord
from quicmatrix.runner.sandbox.model import Folders
from quicmatrix.testcases.model import TestCase


def fill_folders(
    parent: Path, test: TestCase, seed: int, started_at: float
) -> tuple[Folders, tuple[FileRecord, ...]]:
    """Make /www with the files and /certs with the certificates that a test case needs.

    Args:
        parent: Where both folders are made.
        test: The test case.
        seed: Of the files, and of the names in certificates.
        started_at: Seconds since the epoch; the certificates are valid then.

    Returns:
        The folders, and what is in /www, in the order in which the client is to request it.
    """
    folders = Folders(www=parent / "www", certs=parent / "certs")
    folders.www.mkdir()
    folders.certs.mkdir()
    records = fill_www(folders.www, test, seed)
    now = dt.datetime.fromtimestamp(started_at, dt.UTC)
    filler = pki.filler_names(test.filler_names, seed)
    pki.issue(now, certificates=test.certificates, further_names=filler).write(folders.certs)
    return folders, records


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
