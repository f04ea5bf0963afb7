"""A server that lets the client open 2000 streams at once.

Caught in ``multiplexing`` by: the server's initial_max_streams_bidi is 1000 at most, and
MAX_STREAMS raises the limit.
"""

import sys
from typing import Any

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._local_max_streams_bidi.value = self._local_max_streams_bidi.sent = 2000


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
