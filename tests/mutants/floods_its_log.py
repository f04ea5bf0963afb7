"""An endpoint, of either role, that writes to its log as fast as it can, for ever.

Caught by the runner: it is killed once its log is as long as it may be.
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
    line = "mutant: " + "blah " * 800 + "\n"
    while True:
        sys.stderr.write(line)
