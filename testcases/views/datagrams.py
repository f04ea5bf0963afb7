"""Datagrams with their packets, and what a side may send to an address that is not validated yet.

Anti-amplification (RFC 9000, 8): to an address that is not validated goes at most three times of
what came from it. Who counts is the sender, and what counts is the UDP payload of all that reached
it; so the capture next to it is the one to look at. What is captured there may still wait to be
processed, though: a limit is exceeded for certain if it is by all that had arrived, and used too
little for certain if it is by what had arrived long before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from quicmatrix.runner.trace.model import (
    Capture,
    Datagram,
    NewToken,
    Packet,
    PacketType,
    Path,
    PathChallenge,
    PathResponse,
    Side,
    Trace,
)
from quicmatrix.testcases.model import Inconclusive

AMPLIFICATION = 3
"""RFC 9000, 8."""
PROCESSING_TIME_S = 1.0
"""How long a datagram may wait at its receiver until it is processed."""
UNGUESSABLE = 8
"""Bytes of a connection ID with at least 64 bits of entropy (RFC 9000, 8.1)."""


@dataclass(frozen=True, slots=True)
class SentDatagram:
    """A datagram of a side, and what had come and gone on its path by then."""

    datagram: Datagram
    packets: tuple[Packet, ...]
    received: int
    """Bytes that had come on this path, read or not."""
    sent: int
    """Bytes that had gone before this datagram."""
    validated: bool
    """Whether the peer's address may count as validated."""
    allowance: int | None
    """How many bytes this datagram could have for certain; None if there was no limit."""
    hidden_validation: str
    """What may have validated it unseen; empty if nothing."""

    @property
    def total(self) -> int:
        """Bytes that have gone with this datagram."""
        return self.sent + self.datagram.size


def with_packets(capture: Capture) -> Iterator[tuple[Datagram, tuple[Packet, ...]]]:
    """All datagrams of a capture, each with the packets in it."""
    packets: dict[int, list[Packet]] = {}
    for packet in capture.packets:
        packets.setdefault(packet.datagram.frame_number, []).append(packet)
    for datagram in capture.datagrams:
        yield datagram, tuple(packets.get(datagram.frame_number, ()))


def sent_datagrams(trace: Trace, side: Side) -> Iterator[SentDatagram]:
    """All datagrams that a side sent, in order.

    To a client, the server's address is validated on every path.

    Raises:
        Inconclusive: The capture is damaged, so that the bytes in it do not count.
    """
    capture = trace.near(side)
    if capture.damage:
        name = "left" if side is Side.CLIENT else "right"
        raise Inconclusive(f"the {name} capture is damaged: {capture.damage}")
    counts: dict[Path, _PathBytes] = {}
    validation = _AddressValidation()
    for datagram, packets in with_packets(capture):
        count = counts.setdefault(datagram.path, _PathBytes())
        if datagram.sender is not side:
            count.receive(datagram)
            for path in validation.in_arriving(datagram, packets):
                counts.setdefault(path, _PathBytes()).validate(datagram.time)
            continue
        yield SentDatagram(
            datagram=datagram,
            packets=packets,
            received=count.received,
            sent=count.sent,
            validated=side is Side.CLIENT or count.validated_at is not None,
            allowance=None if side is Side.CLIENT else count.allowance(datagram.time),
            hidden_validation=validation.hidden_validation(datagram),
        )
        count.sent += datagram.size
        validation.learn(datagram, packets)


@dataclass(slots=True)
class _PathBytes:
    """What came and went on one path."""

    received: int = 0
    sent: int = 0
    validated_at: float | None = None
    read: int = 0
    """Bytes that were read for certain: the first datagram, and whatever came long before."""
    unread: deque[tuple[float, int]] = field(default_factory=deque)
    """When each datagram came that may still wait to be read, and its bytes."""

    def receive(self, datagram: Datagram) -> None:
        if self.received:
            self.unread.append((datagram.time, datagram.size))
        else:  # nothing goes to an address before
            self.read += datagram.size
        self.received += datagram.size

    def validate(self, time: float) -> None:
        if self.validated_at is None:
            self.validated_at = time

    def allowance(self, time: float) -> int | None:
        """How many bytes may go for certain; None if there is no limit."""
        long_before = time - PROCESSING_TIME_S
        if self.validated_at is not None and self.validated_at <= long_before:
            return None
        while self.unread and self.unread[0][0] <= long_before:
            self.read += self.unread.popleft()[1]
        return AMPLIFICATION * self.read - self.sent


@dataclass(slots=True)
class _AddressValidation:
    """What a server handed out, and a client can only have if it receives at its address."""

    cids: set[bytes] = field(default_factory=set)
    tokens: set[bytes] = field(default_factory=set)
    challenges: dict[bytes, Path] = field(default_factory=dict)
    hidden: dict[Path, str] = field(default_factory=dict)
    """Paths on which something arrived that could not be read."""

    def learn(self, datagram: Datagram, packets: tuple[Packet, ...]) -> None:
        """Take in what the server sends."""
        for packet in packets:
            if packet.scid is not None and len(packet.scid) >= UNGUESSABLE:
                self.cids.add(packet.scid)
            if packet.type is PacketType.RETRY:
                self.tokens.add(packet.token)
            for frame in packet.frames:
                if isinstance(frame, PathChallenge):
                    self.challenges[frame.data] = datagram.path
                elif isinstance(frame, NewToken):
                    self.tokens.add(frame.token)

    def in_arriving(self, datagram: Datagram, packets: tuple[Packet, ...]) -> Iterator[Path]:
        """The paths whose address a datagram validates (RFC 9000, 8.1 and 8.2.3)."""
        if not packets:
            self.hidden.setdefault(datagram.path, f"frame {datagram.frame_number}")
        for packet in packets:
            initial = packet.type is PacketType.INITIAL
            known = packet.dcid in self.cids or packet.token in self.tokens - {b""}
            if packet.type is PacketType.HANDSHAKE or (initial and known):
                yield datagram.path
            elif (not packet.decrypted and not packet.unassociated) or packet.unread:
                self.hidden.setdefault(datagram.path, str(packet))
            for frame in packet.frames:
                if isinstance(frame, PathResponse) and frame.data in self.challenges:
                    yield self.challenges[frame.data]

    def hidden_validation(self, datagram: Datagram) -> str:
        hidden = self.hidden.get(datagram.path)
        return f"{hidden} could not be read, and may have validated the address" if hidden else ""
