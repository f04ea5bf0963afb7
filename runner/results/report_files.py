"""From a run to files: every report that is installed, and the JSON that ``-j`` asks for."""

from __future__ import annotations

import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.results.run_files import RESULT_FILE, write_result
from quicmatrix.runner.results.run_view import RunView

REPORT_GROUP = "quicmatrix.reports"
"""Entry points of this group are functions ``write(view, folder) -> Path``."""


def write_reports(view: RunView, folder: Path) -> dict[str, Path]:
    """Write every report there is.

    Returns:
        Where each is, by its entry point's name.

    Raises:
        UserError: One cannot be written.
    """
    found = sorted(entry_points(group=REPORT_GROUP), key=lambda entry: entry.name)
    try:
        return {entry.name: entry.load()(view, folder) for entry in found}
    except OSError as error:
        raise UserError(
            f"a report in {folder} cannot be written: {error.strerror}",
            f"make room; all results are in {folder / RESULT_FILE}",
        ) from error


def export(result: RunResult, file: Path) -> None:
    """Write a result as JSON to a file of any name.

    Raises:
        UserError: It cannot be written.
    """
    try:
        write_result(result, file)
    except UserError as error:
        raise UserError(f"--json {error.message}") from error


def check_writable(file: Path) -> None:
    """Find out before a long run whether a file can be written after it.

    Raises:
        UserError: It cannot.
    """
    if file.is_dir():
        raise UserError(f"--json {file}: is a folder", "name a file")
    folder = file.absolute().parent
    if not folder.is_dir():
        raise UserError(f"--json {file}: its folder does not exist", "make it first")
    try:
        tempfile.TemporaryFile(dir=folder).close()  # not every file system does what modes say
    except OSError as error:
        raise UserError(
            f"--json {file}: its folder cannot be written to: {error.strerror}", "name another"
        ) from error
