"""Whether the random loss or damage of a scenario decided, and no endpoint. Pure.

A link that drops or damages datagrams at random may strike every one that carries the same data.
An endpoint that retransmits as RFC 9002 asks, and a peer that gives up after some probe timeouts,
have then both done their part. That is so for data which a connection needs,

- if each datagram with it was struck by chance, so that the peer never got all of it,
- if it was sent at least four times: the first time, and for three probe timeouts, which is what an
  idle timeout must leave room for (RFC 9000, 10.1),
- if the time between two flights grew as it may: a probe timeout doubles (RFC 9002, 6.2.1), so that
  a gap is at most twice the longest before it, and they do not all stay the same,
- if the next flight was not due yet when the connection or the client came to its end.

A server that has used up what it may send waits for its client: there, datagrams of the client that
were struck count as flights too. Of data that was sent otherwise, the sender's retransmission is in
question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import AttemptRecord
from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.trace.model import (
    Capture,
    ConnectionClose,
    Crypto,
    Datagram,
    Packet,
    PacketType,
    Side,
    Stream,
    Trace,
)
from quicmatrix.testcases.model import Observation

RANDOM_LOSS = "random loss"
"""Why our middlebox drops datagrams in drop-rate."""
FEWEST_FLIGHTS = 4
AMPLIFICATION = 3
"""RFC 9000, 8."""
_SAME_FLIGHT_S = 0.02
_TOLERANCE = 1.5
"""By how much a gap may be longer than it should be: timers fire late."""
_TOLERANCE_S = 2.0
"""As above, and how long a client may take to start and to end."""
_CRYPTO_TYPES = (PacketType.INITIAL, PacketType.HANDSHAKE)
_NAMES = {
    (Side.CLIENT, PacketType.INITIAL): "the ClientHello",
    (Side.SERVER, PacketType.INITIAL): "the ServerHello",
    (Side.CLIENT, PacketType.HANDSHAKE): "the client's Finished",
    (Side.SERVER, PacketType.HANDSHAKE): "the server's Handshake packets",
}

Needed = tuple[int, PacketType | int]
"""Data that a connection needs: its number, and the packets' type of CRYPTO or a stream's ID."""


@dataclass(frozen=True, slots=True)
class _Transmission:
    """A frame with needed data, as it was sent."""

    packet: Packet
    start: int
    end: int
    arrived: bool


def luck(seen: Observation) -> str:
    """How the link's chance decided; empty if it did not.

    E.g. ``the link struck all 10 flights with the ServerHello (chance 6 in a million)``.
    """
    for side in Side:
        rate = _rate(seen.record, side)
        if rate:
            for needed, sent in _transmissions(seen, side).items():
                lost = _never_arrived(sent)
                probes = _struck_probes(seen.trace, side, lost)
                times = sorted((*(one.packet.time for one in lost), *probes))
                if lost and _kept_trying(times, _end(seen, side, needed[0])):
                    name = _name(side, needed[1], lost)
                    text = f"the link struck all {len(lost)} flights with {name}"
                    if probes:
                        text += f", and {len(probes)} datagrams that would have allowed another"
                    chance = rate ** len(lost) * _rate(seen.record, side.peer) ** len(probes)
                    return f"{text} (chance {_odds(chance)})"
    return ""


def _rate(record: AttemptRecord, sender: Side) -> float:
    """The chance of each of the sender's datagrams to be struck; 0 if the scenario has none."""
    try:
        values = parse_scenario(record.scenario).values
    except UserError:
        return 0
    direction = Direction.TO_SERVER if sender is Side.CLIENT else Direction.TO_CLIENT
    rate = values.get(f"rate_{direction}")
    return rate / 100 if isinstance(rate, int) else 0


def _transmissions(seen: Observation, sender: Side) -> dict[Needed, list[_Transmission]]:
    """Of what a side sent, all that its connections need."""
    near = seen.trace.near(sender)
    hidden = any(not one.decrypted and not _struck(one.datagram) for one in near.packets)
    far = {_identity(packet) for packet in _sent(seen.trace.near(sender.peer), sender)}
    found: dict[Needed, list[_Transmission]] = {}
    for packet in _sent(near, sender):
        if hidden and packet.type is not PacketType.INITIAL:
            continue  # what could not be read may have carried it, and arrived
        arrived = _identity(packet) in far
        for frame in packet.frames:
            if isinstance(frame, Crypto) and packet.type in _CRYPTO_TYPES:
                what: PacketType | int = packet.type
                end = frame.offset + frame.length
            elif isinstance(frame, Stream) and frame.stream_id % 4 == 0:
                what, end = frame.stream_id, frame.offset + frame.length + frame.fin
            else:
                continue
            if packet.connection is not None:
                transmission = _Transmission(packet, frame.offset, end, arrived)
                found.setdefault((packet.connection, what), []).append(transmission)
    return found


def _sent(capture: Capture, sender: Side) -> Iterator[Packet]:
    """What a side sent, as far as it can be read there."""
    return (one for one in capture.packets if one.sender is sender and one.decrypted)


def _struck(datagram: Datagram) -> bool:
    """Whether chance took or damaged it."""
    fate = datagram.fate
    return fate is not None and (fate.dropped == RANDOM_LOSS or fate.corrupted)


def _number(datagram: Datagram) -> int | None:
    return datagram.fate.number if datagram.fate else None


def _identity(packet: Packet) -> tuple[int | None, PacketType, int | None]:
    """What a packet has in both captures."""
    return _number(packet.datagram), packet.type, packet.number


def _never_arrived(sent: Sequence[_Transmission]) -> Sequence[_Transmission]:
    """All transmissions of the first byte that never arrived; none if chance did not take it."""
    have = 0
    for one in sorted((one for one in sent if one.arrived), key=lambda one: one.start):
        if one.start > have:
            break
        have = max(have, one.end)
    lost = [one for one in sent if one.start <= have < one.end]
    return lost if all(_struck(one.packet.datagram) for one in lost) else ()


def _struck_probes(trace: Trace, side: Side, lost: Sequence[_Transmission]) -> Sequence[float]:
    """When the client sent what chance took, while the server might not send again.

    That is so if the server had used up what it may send to an address that is not validated yet
    (RFC 9000, 8.1). In the time of the capture next to the server; empty for a client's data.
    """
    if side is Side.CLIENT or not lost:
        return ()
    first, last = lost[0].packet.datagram, lost[-1].packet.datagram
    path = first.path
    until = [one for one in trace.right.datagrams if one.path == path and one.time <= last.time]
    received = sum(one.size for one in until if one.sender is Side.CLIENT)
    sent = sum(one.size for one in until if one.sender is Side.SERVER)
    if sent + last.size <= AMPLIFICATION * received:
        return ()
    ahead = _clock_difference(trace)
    return [
        one.time + ahead
        for one in trace.left.datagrams
        if one.sender is Side.CLIENT and one.path == path and _struck(one)
        if one.time + ahead > first.time
    ]


def _clock_difference(trace: Trace) -> float:
    """The time of the right capture when it is 0 in the left one, give or take the link's delay."""
    here = {_number(one): one.time for one in trace.left.datagrams if one.sender is Side.CLIENT}
    for one in trace.right.datagrams:
        if one.sender is Side.CLIENT and _number(one) in here:
            return one.time - here[_number(one)]
    return 0.0


def _kept_trying(times: Sequence[float], end: float) -> bool:
    """Whether retransmissions went on as a probe timeout asks, until the end."""
    flights = [times[0]]
    for time in times:
        if time - flights[-1] > _SAME_FLIGHT_S:
            flights.append(time)
    if len(flights) < FEWEST_FLIGHTS:
        return False
    gaps = [after - before for before, after in pairwise(flights)]
    longest = gaps[0]
    for gap in (*gaps[1:], end - flights[-1]):
        if gap > 2 * longest * _TOLERANCE + _TOLERANCE_S:
            return False
        longest = max(longest, gap)
    return max(gaps) * _TOLERANCE > 2 * min(gaps)


def _end(seen: Observation, side: Side, connection: int) -> float:
    """When a connection came to its end for a side, in the time of the capture next to it."""
    capture = seen.trace.near(side)
    closes = (
        packet.time
        for packet in capture.packets
        if packet.connection == connection
        if any(isinstance(frame, ConnectionClose) for frame in packet.frames)
    )
    began = next((one.time for one in capture.datagrams if one.sender is Side.CLIENT), 0.0)
    return next(closes, began + seen.record.client.duration_s)


def _name(side: Side, what: PacketType | int, lost: Sequence[_Transmission]) -> str:
    if isinstance(what, PacketType):
        return _NAMES[side, what]
    return f"byte {max(one.start for one in lost)} of the {side}'s stream {what}"


def _odds(chance: float) -> str:
    """A chance in words, e.g. ``6 in a million``."""
    for many, name in ((100, "hundred"), (1_000, "thousand"), (1_000_000, "million")):
        if chance * many >= 1:
            return f"{chance * many:.0f} in a {name}"
    return f"{chance * 1e9:.0f} in a billion" if chance > 1e-9 else "less than 1 in a billion"
