"""A server that takes no notice of SIGTERM.

Caught by: the server ends within 5 s of SIGTERM.
"""

import asyncio
import signal
import sys
from collections.abc import Callable

from quicmatrix.endpoint.entry import main


def deaf(_loop: asyncio.AbstractEventLoop, _number: int, _handler: Callable[[], object]) -> None:
    pass


if __name__ == "__main__":
    asyncio.SelectorEventLoop.add_signal_handler = deaf  # type: ignore[assignment,method-assign]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(main())
