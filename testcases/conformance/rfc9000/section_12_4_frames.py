"""RFC 9000, 12.4: which frames there are, and which packets they may be in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType, varint
from quicmatrix.testcases.conformance.codes import FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes, refuses_close
from quicmatrix.testcases.conformance.forbidden_frames import FORBIDDEN, Forbidden
from quicmatrix.testcases.conformance.model import Case, case, kebab
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def _unknown_type(name: str, frame_type: int) -> Case:
    @case(
        f"rfc9000/12.4/unknown-frame-type-{name}",
        Level.MUST,
        rows="F-01 C-41",
        expects=closes(FRAME_ENCODING_ERROR),
    )
    async def unknown_type(tester: Tester) -> None:
        """A frame of unknown type closes the connection with FRAME_ENCODING_ERROR."""
        peer = await tester.connected()
        await peer.stimulus(varint(frame_type))

    return unknown_type


UNKNOWN_TYPES = tuple(
    _unknown_type(name, frame_type)
    for name, frame_type in (
        ("of-one-byte", 0x3F),
        ("of-two-bytes", 0x2FFF),
        ("of-eight-bytes", frames.LARGEST),
    )
)


@case(
    "rfc9000/12.4/longer-encoding-of-frame-type",
    Level.MAY,
    rows="F-02 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def longer_encoding_of_frame_type(tester: Tester) -> None:
    """A frame type in a longer encoding than necessary can close the connection."""
    peer = await tester.connected()
    await peer.stimulus(varint(FrameType.PING, 2))


@case(
    "rfc9000/12.4/no-frames",
    Level.MUST,
    rows="F-03 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def no_frames(tester: Tester) -> None:
    """A packet without frames closes the connection with PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.stimulus()


@case(
    "rfc9000/12.4/no-frames-in-handshake-packet",
    Level.MUST,
    rows="F-03 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def no_frames_in_handshake_packet(tester: Tester) -> None:
    """A Handshake packet without frames closes the connection with PROTOCOL_VIOLATION."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(kind=QuicPacketType.HANDSHAKE)


def _in_handshake_packet(frame: Forbidden) -> Case:
    async def script(tester: Tester) -> None:
        peer = await tester.connecting()
        await peer.handshaking()
        await peer.stimulus(frame.make(peer), kind=QuicPacketType.HANDSHAKE)

    script.__doc__ = f"{frame.name} in a Handshake packet is a PROTOCOL_VIOLATION."
    name = f"rfc9000/12.4/{kebab(frame.name)}-in-handshake-packet"
    rows, expects = f"{frame.row} C-41", closes(PROTOCOL_VIOLATION)
    return case(name, Level.MUST, rows=rows, expects=expects)(script)


IN_HANDSHAKE_PACKETS = tuple(_in_handshake_packet(frame) for frame in FORBIDDEN)


@case(
    "rfc9000/12.4/application-close-in-handshake-packet",
    Level.MUST,
    rows="F-08 C-41",
    expects=refuses_close(PROTOCOL_VIOLATION),
)
async def application_close_in_handshake_packet(tester: Tester) -> None:
    """CONNECTION_CLOSE of the application in a Handshake packet is a PROTOCOL_VIOLATION."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(frames.application_close(0x100), kind=QuicPacketType.HANDSHAKE)
