"""The programs and files that are needed of the system, with the Debian packages that have them.

``scripts/setup`` asks before anything is installed, so this imports the standard library only::

    python3 -m quicmatrix.runner.needs RUN     prints the packages of RUN that are missing
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PYTHON = (3, 11)
"""The oldest version; pyproject.toml says the same to pip."""
SEARCH_PATH = os.pathsep.join(("/usr/sbin", "/usr/bin", "/sbin", "/bin"))
"""Where root's tools are, which the PATH of other users may lack."""

SANDBOX = {
    **dict.fromkeys(("unshare", "nsenter", "setpriv"), "util-linux"),
    "mount": "mount",
    "cat": "coreutils",
    "sh": "dash",
    "ip": "iproute2",
}
"""What the network namespaces of a run are made with."""
RUN = {**SANDBOX, "tshark": "tshark"}
"""What no run can do without."""
PEERS = {
    "gcc": "gcc",
    "ar": "binutils",
    "pkg-config": "pkgconf",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/include/gnutls/gnutls.h": "libgnutls28-dev",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
"""What only the builds of the peers in docker/peers need."""
TESTS = {"chromium": "chromium"}
"""What only the tests need."""
GROUPS: Mapping[str, Mapping[str, str]] = {"RUN": RUN, "PEERS": PEERS, "TESTS": TESTS}


def find(name: str) -> str | None:
    """The path of a program, searched in root's PATH too, or of a file; None if there is none."""
    if name.startswith("/"):
        return name if Path(name).exists() else None
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}".lstrip(":"))


def missing(needs: Mapping[str, str], found: Callable[[str], str | None] = find) -> dict[str, str]:
    """Those of the needs that are not found, with their packages."""
    return {name: package for name, package in needs.items() if found(name) is None}


def packages(needs: Mapping[str, str]) -> str:
    """The packages, each once, as arguments of apt-get."""
    return " ".join(dict.fromkeys(needs.values()))


if __name__ == "__main__":
    print(packages(missing(GROUPS[sys.argv[1]])))  # noqa: T201 - that is its result
