"""RFC 9000, 17.2 and 17.3.1: the bits of a header's first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.parameters import Parameter
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes, discards
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/17.3.1/reserved-bits",
    Level.MUST,
    rows="F-05 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def reserved_bits(tester: Tester) -> None:
    """A 1-RTT packet whose reserved bits are not 0 closes the connection: PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.stimulus(frames.ping(), shape=Shape(reserved_bits=0b11))


@case(
    "rfc9000/17.2/reserved-bits-of-handshake-packet",
    Level.MUST,
    rows="F-06 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def reserved_bits_of_handshake_packet(tester: Tester) -> None:
    """A Handshake packet whose reserved bits are not 0 closes the connection."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(
        frames.ping(), kind=QuicPacketType.HANDSHAKE, shape=Shape(reserved_bits=0b11)
    )


@case(
    "rfc9000/17.2/reserved-bits-of-initial-packet",
    Level.MUST,
    rows="F-06 C-41",
    expects=closes(PROTOCOL_VIOLATION, discards=True),
)
async def reserved_bits_of_initial_packet(tester: Tester) -> None:
    """An Initial packet whose reserved bits are not 0 is discarded, or closes the connection."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(frames.ping(), kind=QuicPacketType.INITIAL, shape=Shape(reserved_bits=0b11))


@case("rfc9000/17.3.1/fixed-bit-is-0", Level.MUST, rows="F-07 C-41", expects=discards())
async def fixed_bit_is_0(tester: Tester) -> None:
    """A 1-RTT packet whose fixed bit is 0 is discarded, unless grease_quic_bit allows it."""
    peer = await tester.connected()
    if Parameter.GREASE_QUIC_BIT in peer.connection.peer_parameters:
        tester.not_applicable("the implementation announces grease_quic_bit")
    await peer.stimulus(frames.ping(), shape=Shape(fixed_bit=False))
