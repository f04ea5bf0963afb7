"""Reads what an endpoint wrote to /logs, from its bundle. Its content is never trusted."""

from __future__ import annotations

import re
from pathlib import Path

from quicmatrix.runner.bundle import key_logs, untrusted_files
from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.contract_check.model import EndpointLogs
from quicmatrix.runner.model.attempt import EntryKind

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
            and _QLOG.match(untrusted_files.read_part(folder / file.name))
        ),
        setup_ran=_SETUP in untrusted_files.read_part(folder / OUTPUT_LOG),
        last_line="".join(untrusted_files.last_lines(folder / OUTPUT_LOG, 1, _LINE_LENGTH)),
    )
