"""RFC 9221, 3: which DATAGRAM frames may be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.parameters import Parameter
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

MOST_SENT = 1150
"""Bytes of a DATAGRAM frame that fits into a packet on every path."""


def _announced(peer: Peer) -> int:
    return peer.connection.peer_parameter(Parameter.MAX_DATAGRAM_FRAME_SIZE)


@case(
    "rfc9221/3/datagram-not-announced",
    Level.MUST,
    rows="F-52 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def datagram_not_announced(tester: Tester) -> None:
    """A DATAGRAM frame closes the connection of an endpoint that did not announce to take any."""
    peer = await tester.connected()
    if _announced(peer):
        tester.not_applicable("the implementation announces that it takes DATAGRAM frames")
    await peer.stimulus(frames.datagram(b"data"))


@case(
    "rfc9221/3/datagram-too-large",
    Level.MUST,
    rows="F-53 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def datagram_too_large(tester: Tester) -> None:
    """A DATAGRAM frame that is larger than announced closes the connection."""
    peer = await tester.connected()
    size = _announced(peer)
    if not 0 < size < MOST_SENT:
        tester.not_applicable(f"the implementation announces a largest size of {size} bytes")
    await peer.stimulus(frames.datagram(bytes(size)))
