"""A client that marks its packets, but never reports the marks that reach it.

Caught in ``ecn`` by: the client sends an ACK frame with ECN counts.
"""

import sys

from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def _write_ack_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float
    ) -> None:
        QuicConnection._write_ack_frame(self, builder, space, now)  # without counts


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
