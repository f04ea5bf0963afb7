"""A server that goes on at a new address of the client without a PATH_CHALLENGE.

Caught in ``rebind-port`` and ``rebind-addr`` by: the server sends a PATH_CHALLENGE frame on a path
to which the client has migrated (RFC 9000, 9.3).
"""

import sys

from aioquic.quic.connection import QuicNetworkPath
from aioquic.quic.packet_builder import QuicPacketBuilder

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def _write_path_challenge_frame(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath
    ) -> None:
        network_path.is_validated = True


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
