"""Marks in IP headers, and what ACK frames report of them (RFC 9000, 13.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from quicmatrix.runner.trace.model import Ack, Ecn, EcnCounts, Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    complete,
    every,
    exists,
    frames,
    never,
    sent,
)

SPACES = {
    PacketType.INITIAL: 0,
    PacketType.HANDSHAKE: 1,
    PacketType.ZERO_RTT: 2,
    PacketType.ONE_RTT: 2,
}
"""Packet number spaces, each of which has counts of its own (RFC 9000, 13.4.1)."""
MARKS = (Ecn.ECT_0, Ecn.ECT_1, Ecn.CE)


@requirement(Level.TEST, "interop suite", compat=True)
def client_marks_packets(seen: Observation) -> Iterator[Finding]:
    """The client marks packets as ECN-capable, with ECT(0) or ECT(1)."""
    yield from _marks(seen.trace, Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def server_marks_packets(seen: Observation) -> Iterator[Finding]:
    """The server marks packets as ECN-capable, with ECT(0) or ECT(1)."""
    yield from _marks(seen.trace, Side.SERVER)


@requirement(Level.TEST, "interop suite", compat=True)
def no_side_marks_congestion(seen: Observation) -> Iterator[Finding]:
    """No side sends a packet with the mark CE, which is for routers."""
    packets = [sent(seen.trace, side) for side in Side]
    yield from never(
        (
            Violation("it is marked CE", packet)
            for view in packets
            for packet in view
            if packet.datagram.ecn is Ecn.CE
        ),
        *packets,
    )


@requirement(Level.TEST, "interop suite", compat=True)
def client_reports_ecn_counts(seen: Observation) -> Iterator[Finding]:
    """The client sends an ACK frame with ECN counts."""
    yield from _reports(seen.trace, Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def server_reports_ecn_counts(seen: Observation) -> Iterator[Finding]:
    """The server sends an ACK frame with ECN counts."""
    yield from _reports(seen.trace, Side.SERVER)


@requirement(Level.MUST, "RFC 9000, 13.4.1")
def ecn_counts_agree_with_the_marks(seen: Observation) -> Iterator[Finding]:
    """ECN counts cover all acknowledged packets that had a mark, and no more than came with it."""
    yield from every(
        (finding for side in Side for finding in _counts(seen.trace, side)),
        *(frames(sent(seen.trace, side), Ack) for side in Side),
    )


@dataclass(slots=True)
class _Space:
    """What came in one packet number space of a connection."""

    came: Counter[Ecn] = field(default_factory=Counter)
    """Packets by mark, repeated ones and those that could not be decrypted too."""
    pending: dict[int, Ecn] = field(default_factory=dict)
    """The mark of each packet that is not acknowledged yet."""
    acknowledged: Counter[Ecn] = field(default_factory=Counter)

    def acknowledge(self, ack: Ack) -> None:
        ranges = [(min(pair), max(pair)) for pair in ack.ranges]
        for number in list(self.pending):
            if any(low <= number <= high for low, high in ranges):
                self.acknowledged[self.pending.pop(number)] += 1


def _counts(trace: Trace, side: Side) -> Iterator[Finding]:
    incoming = arrived(trace, side)
    spaces: dict[tuple[int | None, int], _Space] = {}
    known: set[tuple[int | None, int, int]] = set()
    unknown: dict[int, Counter[Ecn]] = {}
    for packet in trace.near(side).packets:
        number_space = SPACES.get(packet.type)
        if number_space is None:
            continue
        space = spaces.setdefault((packet.connection, number_space), _Space())
        if packet.sender is not side:
            if not packet.decrypted:  # its connection is a guess
                unknown.setdefault(number_space, Counter())[packet.datagram.ecn] += 1
                continue
            space.came[packet.datagram.ecn] += 1
            key = (packet.connection, number_space, packet.number or 0)
            if packet.number is not None and key not in known:
                known.add(key)
                space.pending[packet.number] = packet.datagram.ecn
            continue
        for frame in packet.frames:
            if isinstance(frame, Ack):
                space.acknowledge(frame)
                if frame.ecn:
                    others = unknown.get(number_space, Counter())
                    wrong = tuple(_miscounts(packet, frame.ecn, space, others, incoming))
                    yield from wrong or (Held(packet),)


def _miscounts(
    packet: Packet,
    counts: EcnCounts,
    space: _Space,
    unknown: Counter[Ecn],
    incoming: View[Packet],
) -> Iterator[Violation]:
    for mark in MARKS:
        count = getattr(counts, mark.name.lower())
        least, most = space.acknowledged[mark], space.came[mark] + unknown[mark]
        if count > most:
            complete(incoming)
            yield Violation(f"it counts {count} packets with {mark.name}, but {most} came", packet)
        elif count < least:
            yield Violation(
                f"it counts {count} packets with {mark.name}, but acknowledges {least}", packet
            )


def _marks(trace: Trace, side: Side) -> Iterator[Finding]:
    packets = sent(trace, side)
    yield from exists(
        (one for one in packets if one.datagram.ecn in (Ecn.ECT_0, Ecn.ECT_1)),
        Violation(
            f"none of its {len(packets)} packets is marked ECT(0) or ECT(1)",
            *packets.items[:1],
            side=side,
        ),
        packets,
    )


def _reports(trace: Trace, side: Side) -> Iterator[Finding]:
    acks = frames(sent(trace, side), Ack)
    yield from exists(
        (packet for packet, ack in acks if ack.ecn is not None),
        Violation(
            f"none of its {len(acks)} ACK frames has ECN counts",
            *(packet for packet, _ in acks.items[:1]),
            side=side,
        ),
        acks,
    )
