"""A client that changes a byte of the Retry's token after its first Initial packet.

Caught in ``retry`` by: the client repeats the Retry's token in all Initial packets it sends
afterwards (RFC 9000, 8.1.2).
"""

import sys

from aioquic.quic.connection import NetworkAddress

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    is_altered = False

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        datagrams = super().datagrams_to_send(now)
        if datagrams and self._peer_token and not self.is_altered:
            self._peer_token = self._peer_token[:-1] + bytes([self._peer_token[-1] ^ 1])
            self.is_altered = True
        return datagrams


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
