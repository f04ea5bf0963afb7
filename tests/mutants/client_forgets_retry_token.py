"""A client that sends the Retry's token in its first Initial packet only.

Caught in ``retry`` by: the client repeats the Retry's token in all Initial packets it sends
afterwards (RFC 9000, 8.1.2).
"""

import sys

from aioquic.quic.connection import NetworkAddress

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        datagrams = super().datagrams_to_send(now)
        if datagrams and self._retry_count:
            self._peer_token = b""
        return datagrams


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
