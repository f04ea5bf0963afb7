"""Whether tests are run by root, or by a user who is root in a user namespace only."""

from __future__ import annotations

import os
from pathlib import Path

from quicmatrix.runner.sandbox.netns.privileges import ALL_USERS


def real_root() -> bool:
    mapping = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return os.geteuid() == 0 and mapping == ALL_USERS
