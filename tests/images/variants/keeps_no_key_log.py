"""An endpoint, of either role, that takes no notice of SSLKEYLOGFILE.

Caught by: the key log in SSLKEYLOGFILE decrypts every packet.
"""

import os
import sys

from quicmatrix.endpoint.entry import main

if __name__ == "__main__":
    sys.exit(main({**os.environ, "SSLKEYLOGFILE": ""}))
