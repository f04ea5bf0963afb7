"""RFC 9000, 17.2.2: frames that an Initial packet may not carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import (
    PROTOCOL_VIOLATION,
)
from quicmatrix.testcases.conformance.expectations import (
    closes,
    refuses_close,
)
from quicmatrix.testcases.conformance.forbidden_frames import FORBIDDEN, Forbidden
from quicmatrix.testcases.conformance.model import Case, case, kebab
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def _in_initial_packet(frame: Forbidden) -> Case:
    async def script(tester: Tester) -> None:
        peer = await tester.connecting()
        await peer.handshaking()
        await peer.stimulus(frame.make(peer), kind=QuicPacketType.INITIAL)

    script.__doc__ = f"An Initial packet with {frame.name} is discarded, or closes the connection."
    name = f"rfc9000/17.2.2/{kebab(frame.name)}-in-initial-packet"
    expects = closes(PROTOCOL_VIOLATION, discards=True)
    return case(name, Level.MUST, rows="F-09 C-41", expects=expects)(script)


IN_INITIAL_PACKETS = tuple(
    _in_initial_packet(frame) for frame in FORBIDDEN if frame.name in ("STREAM", "HANDSHAKE_DONE")
)


@case(
    "rfc9000/17.2.2/application-close-in-initial-packet",
    Level.MUST,
    rows="F-09 C-41",
    expects=refuses_close(PROTOCOL_VIOLATION, discards=True),
)
async def application_close_in_initial_packet(tester: Tester) -> None:
    """An Initial packet with an application's CONNECTION_CLOSE is discarded, or is an error."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(frames.application_close(0x100), kind=QuicPacketType.INITIAL)
