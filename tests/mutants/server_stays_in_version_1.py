"""A server that keeps to version 1, whatever the client offers.

Caught in ``v2`` by: the server's Initial and all Handshake packets are of version 2.
"""

import dataclasses
import sys
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def __init__(self, *, configuration: QuicConfiguration, **others: Any) -> None:
        only_one = [int(QuicProtocolVersion.VERSION_1)]
        configuration = dataclasses.replace(configuration, supported_versions=only_one)
        super().__init__(configuration=configuration, **others)


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
