"""An endpoint, of either role, that does a transfer when it does not know TESTCASE.

Caught by: exits with 127 for a TESTCASE that it does not know.
"""

import os
import sys

from quicmatrix.endpoint.contract import UnsupportedTestCase, read_contract
from quicmatrix.endpoint.entry import main

if __name__ == "__main__":
    try:
        read_contract(os.environ, sys.argv[1:])
        sys.exit(main())
    except UnsupportedTestCase:
        sys.exit(main({**os.environ, "TESTCASE": "transfer"}))
