"""A server that says nothing to versions that it does not know.

Caught by: answers an unknown version with Version Negotiation.
"""

import sys

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.sockets.listener import Listener
from quicmatrix.endpoint.transport.sockets.udp import Address


def silent(self: Listener, data: bytes, address: Address) -> None:
    pass


if __name__ == "__main__":
    Listener._negotiate_version = silent  # type: ignore[method-assign]
    sys.exit(main())
