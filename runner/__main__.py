"""``python -m quicmatrix.runner`` is ``quicmatrix``."""

from __future__ import annotations

import sys

from quicmatrix.runner.cli import main

if __name__ == "__main__":
    sys.exit(main())
