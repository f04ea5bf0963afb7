"""An endpoint that has an exit code of its own for success.

Caught by: the client exits with 0 when all files are there.
"""

import sys

from quicmatrix.endpoint.entry import DONE, main

if __name__ == "__main__":
    code = main()
    sys.exit(3 if code == DONE else code)
