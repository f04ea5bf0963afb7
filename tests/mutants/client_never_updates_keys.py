"""A client that never updates its keys.

Caught in ``keyupdate`` by: each side sends a 1-RTT packet with key phase 1.
"""

import sys

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def request_key_update(self) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
