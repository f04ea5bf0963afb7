"""What kind of packet one is. Pure."""

from __future__ import annotations

from quicmatrix.runner.trace.model import Ack, ConnectionClose, Packet


def is_ack_eliciting(packet: Packet) -> bool:
    """Whether a packet has a frame other than ACK, PADDING and CONNECTION_CLOSE."""
    return any(not isinstance(frame, Ack | ConnectionClose) for frame in packet.frames)
