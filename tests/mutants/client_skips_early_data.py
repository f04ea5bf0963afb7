"""A client that resumes its session, but sends its requests in 1-RTT packets.

Caught in ``zerortt`` by: the client sends 0-RTT data, and at most 5000 bytes in 1-RTT packets.
"""

import dataclasses
import sys
from typing import Any

from aioquic.quic.configuration import QuicConfiguration

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def __init__(self, *, configuration: QuicConfiguration, **others: Any) -> None:
        ticket = configuration.session_ticket
        if ticket is not None:
            ticket = dataclasses.replace(ticket, max_early_data_size=None)
        configuration = dataclasses.replace(configuration, session_ticket=ticket)
        super().__init__(configuration=configuration, **others)


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
