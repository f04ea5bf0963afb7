"""A server that says nothing to versions that it does not know.

Caught by: answers an unknown version with Version Negotiation.
"""

import sys

from endpoint.entry import main
from endpoint.transport.listener import Listener
from endpoint.transport.udp import Address


def silent(self: Listener, data: bytes, address: Address) -> None:
    pass


if __name__ == "__main__":
    Listener._negotiate_version = silent  # type: ignore[method-assign]
    sys.exit(main())
