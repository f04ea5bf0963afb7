"""Which connection IDs are issued and retired (RFC 9000, 5.1). Pure."""

from __future__ import annotations

from quicmatrix.runner.trace.model import (
    NewConnectionId,
    Packet,
    RetireConnectionId,
)
from quicmatrix.testcases.conformance.exchange import Exchange


def retirements(exchange: Exchange) -> dict[int, Packet]:
    """The packet that retires each sequence number."""
    return {
        frame.sequence: packet
        for packet in exchange.capture.packets
        for frame in packet.frames
        if packet.sender is exchange.side and isinstance(frame, RetireConnectionId)
    }


def issued(exchange: Exchange) -> list[NewConnectionId]:
    """What the stimulus issues."""
    return [
        frame
        for packet in exchange.stimulus_packets
        for frame in packet.frames
        if isinstance(frame, NewConnectionId)
    ]
