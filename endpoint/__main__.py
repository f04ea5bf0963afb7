"""``python -m quicmatrix.endpoint``."""

import sys

from quicmatrix.endpoint.entry import main

if __name__ == "__main__":
    sys.exit(main())
