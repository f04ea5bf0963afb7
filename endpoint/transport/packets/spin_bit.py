"""The latency spin bit (RFC 9000, 17.4): aioquic has it on in all connections.

A sixteenth of all connections leaves it out, so that those are not conspicuous that do so for
privacy. There it has a random value, another one for each connection ID.
"""

from __future__ import annotations

import os
from typing import Any

from aioquic.quic.connection import NetworkAddress, QuicConnection

SPINNING_SHARE = 15 / 16


class SpinBit(QuicConnection):
    """A connection that may disable the spin bit."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.spins = os.urandom(1)[0] < 256 * SPINNING_SHARE
        """Whether the bit shows the round-trip time."""
        self._constant_for = b""
        self._constant = False

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        if not self.spins:
            if self._constant_for != self._peer_cid.cid:
                self._constant_for = self._peer_cid.cid
                self._constant = bool(os.urandom(1)[0] & 1)
            self._spin_bit = self._constant
        return super().datagrams_to_send(now)
