"""A server that sends five times of what it received to an address that it has not validated.

Caught in ``amplificationlimit`` by: to an unvalidated address the server sends at most three times
of what came from there (RFC 9000, 8), and by quic-interop-runner's four times.
"""

import sys

from aioquic.quic.connection import NetworkAddress

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        super().receive_datagram(data, addr, now)
        for path in self._network_paths:
            if path.addr == addr and not path.is_validated:
                path.bytes_received += len(data) * 2 // 3  # which aioquic multiplies by three


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
