"""RFC 9000, 12.3: packets that come twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.testcases.conformance.expectations import (
    shows,
)
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.conformance.rfc9000.section_08_2_2_path_responses import answers_once
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/12.3/duplicate-packet",
    Level.MUST,
    rows="F-51 C-41",
    expects=shows(answers_once),
)
async def duplicate_packet(tester: Tester) -> None:
    """A packet that arrives twice is processed once: its PATH_CHALLENGE is answered once."""
    peer = await tester.connected()
    await peer.settled()
    packet = peer.packet(
        frames.path_challenge(random_bytes(8)), shape=Shape(datagram_size=DATAGRAM_BYTES)
    )
    for _ in range(2):
        peer.send_datagram(packet.datagram, step="stimulus", sent=packet)
    await peer.received(FrameType.PATH_RESPONSE)
