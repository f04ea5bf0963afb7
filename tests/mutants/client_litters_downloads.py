"""A client that fills /downloads with links and 10,000 files, besides doing what it was asked.

Caught in every test case by: /downloads has exactly the requested files; and the runner follows
no link, copies no more than it allows, and says that the listing is incomplete.
"""

import os
import sys

from quicmatrix.endpoint.contract import read_contract
from quicmatrix.endpoint.entry import UNSUPPORTED, main

if __name__ == "__main__":
    code = main()
    if code == UNSUPPORTED:
        sys.exit(code)
    folder = read_contract(os.environ, sys.argv[1:]).downloads
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "root").symlink_to("/")
    (folder / "loop").symlink_to(folder)
    try:
        for number in range(10_000):
            (folder / f"litter{number}").touch()
    except OSError:
        pass  # a sandbox may stop it before
    sys.exit(code)
