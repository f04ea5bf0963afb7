"""RFC 9000, 12.4: which frames there are, and which packets they may be in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType, varint
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.testcases.conformance.codes import FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION
from quicmatrix.testcases.conformance.expectations import closes, refuses_close
from quicmatrix.testcases.conformance.model import Case, case, kebab
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
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


@case(
    "rfc9000/11.1/truncated-stream-frame",
    Level.MUST,
    rows="F-04 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def truncated_stream_frame(tester: Tester) -> None:
    """A STREAM frame that says it is longer than its packet closes the connection."""
    peer = await tester.connected()
    await peer.stimulus(frames.stream(peer.sending_stream(), b"GET ", length=100))


class _Forbidden(NamedTuple):
    """A frame that only 0-RTT and 1-RTT packets may carry."""

    name: str
    row: str
    make: Callable[[Peer], bytes]


_FORBIDDEN = (
    _Forbidden("STREAM", "F-08", lambda peer: frames.stream(peer.stream_id(0, ours=True), b"x")),
    _Forbidden("MAX_DATA", "F-08", lambda _: frames.max_data(1 << 30)),
    _Forbidden("NEW_CONNECTION_ID", "F-08", lambda peer: peer.issue_connection_id()),
    _Forbidden("PATH_CHALLENGE", "F-10", lambda _: frames.path_challenge(random_bytes(8))),
    _Forbidden("DATA_BLOCKED", "F-61", lambda _: frames.data_blocked(0)),
    _Forbidden(
        "STREAM_DATA_BLOCKED",
        "F-61",
        lambda peer: frames.stream_data_blocked(peer.stream_id(0, ours=True), 0),
    ),
    _Forbidden("HANDSHAKE_DONE", "F-08", lambda _: frames.handshake_done()),
)


def _in_handshake_packet(frame: _Forbidden) -> Case:
    async def script(tester: Tester) -> None:
        peer = await tester.connecting()
        await peer.handshaking()
        await peer.stimulus(frame.make(peer), kind=QuicPacketType.HANDSHAKE)

    script.__doc__ = f"{frame.name} in a Handshake packet is a PROTOCOL_VIOLATION."
    name = f"rfc9000/12.4/{kebab(frame.name)}-in-handshake-packet"
    rows, expects = f"{frame.row} C-41", closes(PROTOCOL_VIOLATION)
    return case(name, Level.MUST, rows=rows, expects=expects)(script)


def _in_initial_packet(frame: _Forbidden) -> Case:
    async def script(tester: Tester) -> None:
        peer = await tester.connecting()
        await peer.handshaking()
        await peer.stimulus(frame.make(peer), kind=QuicPacketType.INITIAL)

    script.__doc__ = f"An Initial packet with {frame.name} is discarded, or closes the connection."
    name = f"rfc9000/17.2.2/{kebab(frame.name)}-in-initial-packet"
    expects = closes(PROTOCOL_VIOLATION, discards=True)
    return case(name, Level.MUST, rows="F-09 C-41", expects=expects)(script)


IN_HANDSHAKE_PACKETS = tuple(_in_handshake_packet(frame) for frame in _FORBIDDEN)
IN_INITIAL_PACKETS = tuple(
    _in_initial_packet(frame) for frame in _FORBIDDEN if frame.name in ("STREAM", "HANDSHAKE_DONE")
)


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
