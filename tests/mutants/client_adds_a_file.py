"""A client that leaves a file in /downloads that nobody asked for.

Caught in every test case by: /downloads has exactly the requested files.
"""

import os
import sys

from quicmatrix.endpoint.contract import read_contract
from quicmatrix.endpoint.entry import UNSUPPORTED, main

if __name__ == "__main__":
    code = main()
    if code == UNSUPPORTED:
        sys.exit(code)
    contract = read_contract(os.environ, sys.argv[1:])
    (contract.downloads / "uninvited").write_bytes(b"hello")
    sys.exit(code)
