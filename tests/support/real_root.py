"""Whether tests are run by root, or by a user who is root in a user namespace only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.netns.privileges import ALL_USERS

needs_tun = pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun may not be opened"
)


def real_root() -> bool:
    mapping = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return os.geteuid() == 0 and mapping == ALL_USERS
