"""From a result to files: every report that is installed, and the JSON that ``-j`` asks for."""

from __future__ import annotations

import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.results import store
from quicmatrix.runner.results.store import RunResult

REPORT_GROUP = "quicmatrix.reports"
"""Entry points of this group are functions ``write(result, folder) -> Path``."""


def write_reports(result: RunResult, folder: Path) -> dict[str, Path]:
    """Write every report there is; where each is, by its entry point's name."""
    found = sorted(entry_points(group=REPORT_GROUP), key=lambda entry: entry.name)
    return {entry.name: entry.load()(result, folder) for entry in found}


def export(result: RunResult, file: Path) -> None:
    """Write a result as JSON to a file of any name.

    Raises:
        UserError: It cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="quicmatrix-") as scratch:
        store.write(result, Path(scratch))
        data = (Path(scratch) / store.RESULT_FILE).read_bytes()
    try:
        store.write_file(file, data)
    except OSError as error:
        raise UserError(f"--json {file}: {error.strerror}") from error


def check_writable(file: Path) -> None:
    """Find out before a long run whether a file can be written after it.

    Raises:
        UserError: It cannot.
    """
    if file.is_dir():
        raise UserError(f"--json {file}: is a folder", "name a file")
    if not file.absolute().parent.is_dir():
        raise UserError(f"--json {file}: its folder does not exist", "make it first")
