"""What an implementation sends on which path after a stimulus. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    Frame,
    NewConnectionId,
    Packet,
    PacketType,
    Path,
    PathChallenge,
    PathResponse,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.model import Inconclusive

PROBING = PathChallenge, PathResponse, NewConnectionId
"""Beside PADDING (RFC 9000, 9.1)."""


def is_probing(packet: Packet) -> bool:
    """Whether it has nothing but probing frames.

    Raises:
        Inconclusive: It could not be read.
    """
    if not packet.decrypted or packet.unread:
        raise Inconclusive(f"{packet} could not be read")
    return all(isinstance(frame, PROBING) for frame in packet.frames)


def sent_on(exchange: Exchange, path: Path) -> tuple[Packet, ...]:
    """Its 1-RTT packets on a path, after the stimulus."""
    return tuple(
        packet
        for packet in exchange.after
        if packet.path == path and packet.type is PacketType.ONE_RTT
    )


def path_in_use_before(exchange: Exchange) -> Path:
    """The path of its last 1-RTT packet before the stimulus.

    Raises:
        Inconclusive: There is none.
    """
    for packet in reversed(exchange.capture.packets):
        if (
            packet.sender is exchange.side
            and packet.type is PacketType.ONE_RTT
            and packet.datagram.frame_number < exchange.stimulus.frame_number
        ):
            return packet.path
    raise Inconclusive("it sent no 1-RTT packet before the stimulus")


def with_frame(packets: tuple[Packet, ...], kind: type[Frame]) -> Iterator[Packet]:
    """Those packets with a frame of a kind."""
    return (one for one in packets if any(isinstance(frame, kind) for frame in one.frames))
