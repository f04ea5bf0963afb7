"""A client that goes on with its version although the server has refused it.

Caught in ``versionnegotiation`` by: the client does not go on with the version that was refused
(RFC 9000, 6.2).
"""

import sys

from aioquic.quic.packet import QuicHeader

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def _receive_version_negotiation_packet(self, header: QuicHeader, now: float) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
