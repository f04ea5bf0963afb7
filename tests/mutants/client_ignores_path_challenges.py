"""A client that acknowledges PATH_CHALLENGE frames, but does not answer them.

Caught in ``rebind-port`` and ``rebind-addr`` by: the client answers each PATH_CHALLENGE frame that
reaches it with a PATH_RESPONSE frame (RFC 9000, 8.2.2).
"""

import sys

from aioquic.quic.packet_builder import QuicPacketBuilder

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def _write_path_response_frame(self, builder: QuicPacketBuilder, challenge: bytes) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
