"""Where runs are stored when nobody says where: runs/TIME, and runs/latest that points there."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

RUNS = Path("runs")


def unused_folder(runs: Path, now: datetime) -> Path:
    """A folder that does not exist yet, named after a time in UTC: ``20261123T171503Z``."""
    name = now.strftime("%Y%m%dT%H%M%SZ")
    folder, number = runs / name, 1
    while folder.exists():
        number += 1
        folder = runs / f"{name}-{number}"
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
