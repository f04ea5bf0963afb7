"""What a subject left in /logs, read from its bundle: copied by us, but written by it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from quicmatrix.runner.bundle import key_logs, untrusted_files
from quicmatrix.runner.contract_check.model import Logs
from quicmatrix.runner.model.attempt import EntryKind
from quicmatrix.runner.printable import printable

KEY_LOG = "keys.log"
QLOG_FOLDER = "qlog"
_ENTRIES = 4096
_BYTES = 1024 * 1024 * 1024
_QLOG = re.compile(rb'\A\x1e?\s*\{(?s:.){0,4096}?"qlog_(version|format)"')
"""How a qlog begins, as JSON or as a JSON text sequence (draft-ietf-quic-qlog-main-schema, 3)."""
_SETUP = b"Setting up routes..."
_LAST_WORDS = 300


def logs_of(folder: Path, log_name: str) -> Logs:
    """Read a side's folder of a bundle.

    Args:
        folder: The folder.
        log_name: The file in it that has its standard output and error.
    """
    files, _ = untrusted_files.manifest(folder, _ENTRIES, _BYTES)
    lines = key_logs.merge([folder / KEY_LOG]).decode("ascii").splitlines()
    return Logs(
        files=tuple(file for file in files if file.kind is EntryKind.FILE),
        secrets=tuple(line.split()[0] for line in lines),
        qlogs=tuple(
            file.name
            for file in files
            if file.kind is EntryKind.FILE
            and file.name.startswith(f"{QLOG_FOLDER}/")
            and _QLOG.match(_head(folder / file.name))
        ),
        setup_ran=_SETUP in _head(folder / log_name),
        last_words=_last_words(folder / log_name),
    )


def _head(path: Path) -> bytes:
    return _read(path, 0)


def _last_words(path: Path) -> str:
    """The last line that says anything."""
    try:
        size = path.stat().st_size
    except OSError:
        return ""
    lines = _read(path, max(size - 4096, 0)).decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    return printable(said[-1])[:_LAST_WORDS] if said else ""


def _read(path: Path, offset: int) -> bytes:
    """Up to 8 KiB of a file; nothing if it is no file any more."""
    try:
        descriptor = os.open(path, untrusted_files.FILE_FLAGS)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, 8192, offset)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
