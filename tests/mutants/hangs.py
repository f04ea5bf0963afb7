"""An endpoint, of either role, that does nothing and does not stop when it is told to.

Caught by the runner: as a client it runs out of time, as a server it is never ready; in both
roles only SIGKILL ends it.
"""

import os
import signal
import sys

from quicmatrix.endpoint.contract import UnsupportedTestCase, read_contract
from quicmatrix.endpoint.entry import UNSUPPORTED

if __name__ == "__main__":
    try:
        read_contract(os.environ, sys.argv[1:])
    except UnsupportedTestCase:
        sys.exit(UNSUPPORTED)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
