"""Key updates (RFC 9001, 6), as far as a capture shows them.

The Key Phase bit shows only whether a packet's keys are of an even or an odd generation. But a
packet that was decrypted with the keys of its generation, in the capture next to its sender, where
nothing is reordered on the way, lets the generations be counted: the bit changes with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from quicmatrix.runner.trace.model import (
    Ack,
    HandshakeDone,
    OtherTlsMessage,
    Packet,
    PacketType,
    Side,
    Trace,
)
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    by_connection,
    complete,
    decrypted,
    every,
    exists,
    readable,
    sent,
)

FINISHED = 20
"""The handshake type of Finished (RFC 8446, 4)."""


@requirement(Level.TEST, "interop suite", compat=True)
def client_updates_its_keys(seen: Observation) -> Iterator[Finding]:
    """The client sends a 1-RTT packet with key phase 1."""
    yield from _reaches_key_phase_1(seen.trace, Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def server_updates_its_keys(seen: Observation) -> Iterator[Finding]:
    """The server sends a 1-RTT packet with key phase 1."""
    yield from _reaches_key_phase_1(seen.trace, Side.SERVER)


@requirement(Level.MUST, "RFC 9001, 6.4")
def key_generations_only_rise(seen: Observation) -> Iterator[Finding]:
    """Packets with higher packet numbers are protected with the same or newer keys."""
    views = _own_packets(seen.trace)

    def findings() -> Iterator[Finding]:
        for view in views:
            for packets in by_connection(view).values():
                for older, newer in pairwise(generations(packets)):
                    if newer.lowest > older.highest:
                        yield Held(newer.first, older.last)
                    else:
                        yield Violation(
                            f"packet {older.highest} has older keys than packet {newer.lowest}",
                            newer.first,
                            older.last,
                        )

    yield from every(findings(), *views)


@requirement(Level.MUST, "RFC 9001, 6.1")
def first_update_waits_for_confirmation(seen: Observation) -> Iterator[Finding]:
    """A side initiates no key update before it has confirmed the handshake."""
    yield from every(
        (
            Held(update.generation.first)
            if update.confirmed
            else Violation("the handshake is not confirmed yet", update.generation.first)
            for update in _initiated_updates(seen.trace)
        ),
        *_own_packets(seen.trace),
    )


@requirement(Level.MUST, "RFC 9001, 6.1")
def next_update_waits_for_acknowledgment(seen: Observation) -> Iterator[Finding]:
    """A side initiates another key update only after a packet of the last one is acknowledged."""
    yield from every(
        (
            Held(update.generation.first, update.previous.first)
            if update.acknowledged
            else Violation(
                f"no packet of key generation {update.previous.number} is acknowledged yet",
                update.generation.first,
                update.previous.first,
            )
            for update in _initiated_updates(seen.trace)
            if update.previous and update.previous.number > 0
        ),
        *_own_packets(seen.trace),
    )


@dataclass(slots=True)
class Generation:
    """The packets of a side that are protected with the same keys."""

    number: int
    first: Packet
    last: Packet
    """The one with the highest packet number."""
    lowest: int
    highest: int


def generations(packets: Iterable[Packet]) -> list[Generation]:
    """The key generations of one side of one connection, whose packets are in sending order."""
    found: list[Generation] = []
    for packet in packets:
        _count(found, packet)
    return found


def _count(found: list[Generation], packet: Packet) -> bool:
    """Count a packet to its generation; return whether it is the first of a new one."""
    if packet.number is None or packet.key_phase is None:
        return False
    generation = found[-1] if found else None
    if generation and packet.key_phase != generation.number & 1:
        late = len(found) > 1 and packet.number < generation.lowest
        generation = found[-2] if late else None
    if generation is None:
        number = found[-1].number + 1 if found else packet.key_phase
        found.append(Generation(number, packet, packet, packet.number, packet.number))
        return True
    generation.lowest = min(generation.lowest, packet.number)
    if packet.number > generation.highest:
        generation.highest, generation.last = packet.number, packet
    return False


@dataclass(frozen=True, slots=True)
class _Update:
    """A key update that a side made of its own accord."""

    generation: Generation
    previous: Generation | None
    confirmed: bool
    """Whether that side had confirmed the handshake (RFC 9001, 4.1.2)."""
    acknowledged: bool
    """Whether a packet of the previous generation had been acknowledged."""


@dataclass(slots=True)
class _Progress:
    """What a side knows of one connection, from what it has sent and what has reached it."""

    own: list[Generation] = field(default_factory=list)
    peers: list[Generation] = field(default_factory=list)
    confirmed: bool = False
    acknowledged: int = -1

    def receive(self, packet: Packet) -> None:
        _count(self.peers, packet)
        for frame in packet.frames:
            if isinstance(frame, Ack) and packet.type is PacketType.ONE_RTT:
                self.acknowledged = max(self.acknowledged, frame.largest)
            self.confirmed |= isinstance(frame, HandshakeDone)
        # A client may take this for a confirmation too (RFC 9001, 4.1.2).
        if packet.sender is Side.SERVER and self.own:
            self.confirmed |= self.acknowledged >= self.own[0].lowest
        if packet.sender is Side.CLIENT and packet.type is PacketType.HANDSHAKE:
            self.confirmed |= OtherTlsMessage(FINISHED) in packet.tls

    def send(self, packet: Packet) -> Iterator[_Update]:
        if _count(self.own, packet):
            new = self.own[-1]
            previous = self.own[-2] if len(self.own) > 1 else None
            answers = bool(self.peers) and self.peers[-1].number >= new.number
            if new.number > 0 and not answers:
                acknowledged = previous is not None and self.acknowledged >= previous.lowest
                yield _Update(new, previous, self.confirmed, acknowledged)


def _initiated_updates(trace: Trace) -> Iterator[_Update]:
    for side in Side:
        incoming = readable(arrived(trace, side, PacketType.HANDSHAKE, PacketType.ONE_RTT))
        outgoing = by_connection(_phased(sent(trace, side, PacketType.ONE_RTT)))
        for connection in outgoing:
            progress = _Progress()
            for packet in trace.near(side).packets:
                if packet.connection != connection or not packet.decrypted:
                    continue
                if packet.sender is not side:
                    progress.receive(packet)
                    continue
                for update in progress.send(packet):
                    if not (update.confirmed and update.acknowledged):
                        complete(incoming)  # a hidden packet may have permitted it
                    yield update


def _reaches_key_phase_1(trace: Trace, side: Side) -> Iterator[Finding]:
    packets = _phased(sent(trace, side, PacketType.ONE_RTT))
    yield from exists(
        (packet for packet in packets if packet.key_phase == 1),
        Violation(
            f"all {len(packets)} 1-RTT packets of the {side} have key phase 0",
            *packets.items[-1:],
            side=side,
        ),
        packets,
    )


def _own_packets(trace: Trace) -> tuple[View[Packet], ...]:
    return tuple(_phased(sent(trace, side, PacketType.ONE_RTT)) for side in Side)


def _phased(packets: View[Packet]) -> View[Packet]:
    """Those packets whose key phase and packet number are known."""
    shown = decrypted(packets)
    return View(
        tuple(one for one in shown if one.key_phase is not None and one.number is not None),
        shown.gap,
    )
