"""A client that fetches all files over one connection, where it is to take one for each.

Caught in ``handshakeloss`` and ``handshakecorruption`` by: there are exactly 50 handshakes.
"""

import os
import sys

from quicmatrix.endpoint.entry import main

if __name__ == "__main__":
    if os.environ.get("TESTCASE") == "multiconnect":
        os.environ["TESTCASE"] = "transfer"
    sys.exit(main())
