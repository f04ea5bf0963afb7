"""A client that is ended by SIGABRT in the middle of a transfer.

Caught by the runner: the verdict is ``crashed``. Needs a file of more than 20 datagrams.
"""

import os
import sys

from aioquic.quic.connection import NetworkAddress

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    received = 0

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        self.received += 1
        if self.received > 20:
            os.abort()
        super().receive_datagram(data, addr, now)


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
