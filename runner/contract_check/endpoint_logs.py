"""Reads what an endpoint wrote to /logs, from its bundle. Its content is never trusted."""

from __future__ import annotations

import os
import re
from pathlib import Path

from quicmatrix.runner.bundle import key_logs, untrusted_files
from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.contract_check.model import EndpointLogs
from quicmatrix.runner.model.attempt import EntryKind
from quicmatrix.runner.printable import printable

KEY_LOG = "keys.log"
QLOG_FOLDER = "qlog"
_MAX_ENTRIES = 4096
_MAX_BYTES = 1024 * 1024 * 1024
_QLOG = re.compile(rb'\A\x1e?\s*\{(?s:.){0,4096}?"qlog_(version|format)"')
"""How a qlog begins, as JSON or as a JSON text sequence (draft-ietf-quic-qlog-main-schema, 3)."""
_SETUP = b"Setting up routes..."
_LINE_LENGTH = 300


def read_endpoint_logs(folder: Path) -> EndpointLogs:
    """Read a side's folder of a bundle."""
    files, _ = untrusted_files.manifest(folder, _MAX_ENTRIES, _MAX_BYTES)
    lines = key_logs.merge([folder / KEY_LOG]).decode("ascii").splitlines()
    return EndpointLogs(
        files=tuple(file for file in files if file.kind is EntryKind.FILE),
        secrets=tuple(line.split()[0] for line in lines),
        qlogs=tuple(
            file.name
            for file in files
            if file.kind is EntryKind.FILE
            and file.name.startswith(f"{QLOG_FOLDER}/")
            and _QLOG.match(_read(folder / file.name))
        ),
        setup_ran=_SETUP in _read(folder / OUTPUT_LOG),
        last_line=_last_line(folder / OUTPUT_LOG),
    )


def _last_line(path: Path) -> str:
    """The last line that is not empty, printable and of bounded length."""
    try:
        size = path.stat().st_size
    except OSError:
        return ""
    text = _read(path, max(size - 4096, 0)).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1])[:_LINE_LENGTH] if lines else ""


def _read(path: Path, offset: int = 0) -> bytes:
    """Up to 8 KiB of a file; empty if it is not a regular file any more."""
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
