"""Where runs are stored when nobody says where: runs/TIME, and runs/latest that points there."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path, PurePosixPath

from quicmatrix.runner.errors import UserError

RUNS = Path("runs")


def new_run_id(now: datetime) -> str:
    """An id that no other run has, from a time in UTC: ``20261123T171503Z-1f2e``."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def make_folder(log_dir: Path | None, now: datetime) -> Path:
    """Make a run's folder: it is nobody else's from now on.

    Args:
        log_dir: The folder that was asked for; None: one below runs/, named after the time.
        now: In UTC.

    Raises:
        UserError: It cannot be made, or exists already.
    """
    where = log_dir or RUNS
    try:
        if log_dir is None:
            return new_folder(RUNS, now)
        log_dir.mkdir(parents=True)
    except FileExistsError as error:
        raise UserError(f"--log-dir {where}: exists already", "name a new folder") from error
    except OSError as error:
        raise UserError(f"{where}: {error.strerror}", "--log-dir names another") from error
    return log_dir


def new_folder(runs: Path, now: datetime) -> Path:
    """Make a folder named after a time in UTC: ``20261123T171503Z``.

    Another run that starts in the same second gets one of its own: whoever makes a folder has it.
    """
    name = now.strftime("%Y%m%dT%H%M%SZ")
    folder, number = runs / name, 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            folder = runs / f"{name}-{number}"
        else:
            return folder


def point_latest(folder: Path) -> bool:
    """Make ``latest``, beside a run's folder, point to it: relative, and at once.

    Returns:
        False if something that is no link stands there already; it is left alone.
    """
    latest = folder.parent / "latest"
    if latest.exists() and not latest.is_symlink():
        return False
    temporary = folder.parent / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name, target_is_directory=True)
    temporary.replace(latest)
    return True


def bundle_in(folder: Path, name: str) -> Path:
    """A bundle of a run; a result.json made by somebody else must not lead anywhere else.

    Raises:
        UserError: It leads out of the run's folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{folder}: result.json names a bundle outside of it: {name}")
    return folder / path
