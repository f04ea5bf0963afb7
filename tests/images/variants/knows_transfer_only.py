"""An endpoint, of either role, that does a transfer whatever TESTCASE asks for, if it knows it.

Caught by: obeys TESTCASE=retry, as a server; obeys TESTCASE=chacha20, as a client.
"""

import os
import sys

from quicmatrix.endpoint.contract import UnsupportedTestCase, read_contract
from quicmatrix.endpoint.entry import UNSUPPORTED, main

if __name__ == "__main__":
    try:
        read_contract(os.environ, sys.argv[1:])
    except UnsupportedTestCase:
        sys.exit(UNSUPPORTED)
    sys.exit(main({**os.environ, "TESTCASE": "transfer"}))
