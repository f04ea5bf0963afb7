"""Datagrams: their size, and the packets that may share one (RFC 9000, 12.2 and 14.1)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Ack, ConnectionClose, Packet, PacketType, Side
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Violation,
    requirement,
)
from quicmatrix.testcases.views.datagrams import with_packets
from quicmatrix.testcases.views.view import complete, sent

SMALLEST_BYTES = 1200
"""RFC 9000, 14."""


@requirement(Level.MUST, "RFC 9000, 14.1")
def initial_datagrams_are_expanded(seen: Observation) -> Iterator[Finding]:
    """A client's datagram with an Initial, and a server's that elicits an ACK, has 1200 bytes."""
    for side in Side:
        complete(sent(seen.trace, side))
        for datagram, packets in with_packets(seen.trace.near(side)):
            initials = [one for one in packets if one.type is PacketType.INITIAL]
            if datagram.sender is not side or not initials:
                continue
            if datagram.size >= SMALLEST_BYTES:
                yield Held(datagram)
            elif side is Side.CLIENT or any(map(_elicits_ack, initials)):
                yield Violation(f"its datagram has {datagram.size} bytes", initials[0])


@requirement(Level.MUST, "RFC 9000, 12.2")
def coalesced_packets_share_a_destination(seen: Observation) -> Iterator[Finding]:
    """The packets in a datagram have one Destination Connection ID."""
    for side in Side:
        for datagram, packets in with_packets(seen.trace.near(side)):
            if datagram.sender is not side or len(packets) < 2:
                continue
            other = next((one for one in packets if one.dcid != packets[0].dcid), None)
            if other is None:
                yield Held(packets[0])
            elif other.decrypted:
                yield Violation(
                    f"{other.type} goes to {other.dcid.hex()}, {packets[0].type} before it to "
                    f"{packets[0].dcid.hex()}",
                    other,
                )


def _elicits_ack(packet: Packet) -> bool:
    """Whether it does for certain; padding alone does not (RFC 9000, 13.2)."""
    if not packet.decrypted:
        raise Inconclusive(f"{packet} could not be decrypted")
    return any(not isinstance(frame, Ack | ConnectionClose) for frame in packet.frames)
