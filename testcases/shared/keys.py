"""Key updates (RFC 9001, 6), as far as a capture shows them.

Which generation of keys a packet has is known once it is decrypted; the Key Phase bit only says
whether that is an even or an odd one. Generations are judged in the capture next to the sender,
where nothing is reordered on the way.
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
    never,
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


@requirement(Level.TEST, "RFC 9001, 6")
def key_phase_bit_follows_the_keys(seen: Observation) -> Iterator[Finding]:
    """The Key Phase bit is 0 at first, and toggled with each key update."""
    views = _own_packets(seen.trace)
    yield from never(
        (
            Violation(
                f"the Key Phase bit is {packet.key_phase}, "
                f"and the keys have been updated {packet.key_generation} times",
                packet,
            )
            for view in views
            for packet in view
            if packet.key_generation is not None and packet.key_phase != packet.key_generation % 2
        ),
        *views,
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
    """Count a packet to its generation; return whether it is the first with the newest keys."""
    number, generation = packet.number, packet.key_generation
    if number is None or generation is None:
        return False
    for one in found:
        if one.number == generation:
            one.lowest = min(one.lowest, number)
            if number > one.highest:
                one.highest, one.last = number, packet
            return False
    found.append(Generation(generation, packet, packet, number, number))
    found.sort(key=lambda one: one.number)
    return found[-1].number == generation


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
    """Those packets whose keys and packet number are known."""
    shown = decrypted(packets)
    return View(
        tuple(one for one in shown if one.key_generation is not None and one.number is not None),
        shown.gap,
    )
