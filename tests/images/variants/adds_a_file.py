"""A client that leaves a file in /downloads that nobody asked for.

Its name shows whether what others wrote is made safe before it is printed.

Caught by: leaves nothing in /downloads but the requested files.
"""

import os
import sys
from pathlib import Path

from quicmatrix.endpoint.entry import DONE, main

if __name__ == "__main__":
    code = main()
    if code == DONE and os.environ["ROLE"] == "client":
        Path("/downloads", "\x1b[2Juninvited").write_bytes(b"hello")
    sys.exit(code)
