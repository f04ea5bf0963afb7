"""A server that exits before it listens.

Caught by the runner: the server was never ready, the verdict is ``crashed`` or ``failed``, and
comes at once, not after the test case's time.
"""

import os
import sys

from quicmatrix.endpoint.contract import UnsupportedTestCase, read_contract
from quicmatrix.endpoint.entry import UNSUPPORTED

if __name__ == "__main__":
    try:
        read_contract(os.environ, sys.argv[1:])
    except UnsupportedTestCase:
        sys.exit(UNSUPPORTED)
    sys.exit("mutant: out of order")
