"""A server that completes the handshake without a Retry.

Caught in ``retry`` by: the server sends a Retry with a token.
"""

import os
import sys

from quicmatrix.endpoint.entry import main

if __name__ == "__main__":
    testcase = os.environ["TESTCASE"]
    sys.exit(main({**os.environ, "TESTCASE": "transfer" if testcase == "retry" else testcase}))
