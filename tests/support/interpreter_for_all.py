"""How to run Python as a user without privileges."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.real_root import real_root

NOBODY = 65534


def interpreter_for_all() -> str:
    """A Python of our version that any user may run; ours may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.executable).resolve(), Path("/usr/bin", version)):
        if candidate.exists() and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in (candidate, *candidate.parents)
        ):
            return str(candidate)
    pytest.skip(f"other users have no {version}")


def become(folder: Path) -> tuple[str, ...]:
    """A command that runs another one as nobody, who owns the folder then, if we are root."""
    if not real_root():
        return ()
    os.chown(folder, NOBODY, NOBODY)
    user = f"{NOBODY}"
    return ("setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--")
