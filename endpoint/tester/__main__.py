"""``python -m quicmatrix.endpoint.tester``."""

import sys

from quicmatrix.endpoint.tester.run import main

if __name__ == "__main__":
    sys.exit(main())
