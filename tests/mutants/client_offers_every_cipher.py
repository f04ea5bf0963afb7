"""A client that offers all cipher suites it knows, AES first.

Caught in ``chacha20`` by: the client offers TLS_CHACHA20_POLY1305_SHA256 and nothing else. Its
server must be one that would take another suite, or have it and notice nothing.
"""

import dataclasses
import sys
from typing import Any

from aioquic.quic.configuration import QuicConfiguration

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def __init__(self, *, configuration: QuicConfiguration, **others: Any) -> None:
        configuration = dataclasses.replace(configuration, cipher_suites=None)
        super().__init__(configuration=configuration, **others)


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
