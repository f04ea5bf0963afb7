"""RFC 9000, 13.1, 13.2 and 13.4: when and what is acknowledged, and ECN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester import frames
from quicmatrix.runner.trace.model import Ack, Ecn, Packet, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.limits import parameters_of
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.conformance.packets import is_ack_eliciting
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

MAX_ACK_DELAY_MS = 25
"""If it is not announced (RFC 9000, 18.2)."""
GRANULARITY_MS = 5
"""By how much a timer may be late."""
AT_ONCE_MS = 20
"""Less than the smallest delay that an endpoint would choose, more than a busy machine takes."""
TRIES = 5
"""Packets of which one is enough: a busy machine makes others late."""


def delays_ms(exchange: Exchange) -> list[float]:
    """After how many milliseconds each packet with the stimulus was acknowledged."""
    arrived = {packet.number: packet for packet in exchange.stimulus_packets}
    return [
        (packet.time - arrived[number].time) * 1000
        for number in exchange.numbers("stimulus")
        if number in arrived
        for packet in list(exchange.acknowledgments({number}))[:1]
    ]


def _within(exchange: Exchange, limit_ms: float) -> Iterator[Finding]:
    delays = delays_ms(exchange)
    if not delays:
        yield Violation("no packet is acknowledged", exchange.stimulus, side=exchange.side)
    elif min(delays) > limit_ms:
        words = f"acknowledgments take {min(delays):.0f} ms at least, which is over {limit_ms:g} ms"
        yield Violation(words, exchange.stimulus, side=exchange.side)
    else:
        yield Held(exchange.stimulus, message=f"acknowledged after {min(delays):.1f} ms")


def acknowledges_in_time(exchange: Exchange) -> Iterator[Finding]:
    """The fastest acknowledgment takes no longer than max_ack_delay."""
    announced = [
        parameters.max_ack_delay
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and (parameters := parameters_of(packet)) is not None
    ]
    delay = next((one for one in announced if one is not None), MAX_ACK_DELAY_MS)
    yield from _within(exchange, delay + GRANULARITY_MS)


def acknowledges_at_once(exchange: Exchange) -> Iterator[Finding]:
    """The fastest acknowledgment is not delayed on purpose."""
    yield from _within(exchange, AT_ONCE_MS)


@case(
    "rfc9000/13.2.1/within-max-ack-delay",
    Level.MUST,
    rows="B-01",
    expects=shows(acknowledges_in_time),
)
async def within_max_ack_delay(tester: Tester) -> None:
    """An ack-eliciting 1-RTT packet is acknowledged within max_ack_delay."""
    peer = await tester.connected()
    await peer.settled()
    for _ in range(TRIES):
        await peer.acknowledged(await peer.stimulus(frames.ping()))


@case(
    "rfc9000/13.2.1/handshake-packet-at-once",
    Level.MUST,
    rows="B-05",
    expects=shows(acknowledges_at_once),
)
async def handshake_packet_at_once(tester: Tester) -> None:
    """An ack-eliciting Handshake packet is acknowledged immediately."""
    peer = await tester.connecting()
    await peer.handshaking()
    for _ in range(TRIES):
        sent = await peer.stimulus(frames.ping(), kind=QuicPacketType.HANDSHAKE)
        await peer.acknowledged(sent)


def _acks_alone(exchange: Exchange) -> list[Packet]:
    return [
        packet
        for packet in exchange.after
        if packet.frames and all(isinstance(frame, Ack) for frame in packet.frames)
    ]


def _eliciting(exchange: Exchange) -> list[Packet]:
    """What the tester sends that is to be acknowledged, the stimulus included."""
    return [
        packet
        for packet in exchange.capture.packets
        if packet.sender is exchange.tester
        and packet.datagram.frame_number >= exchange.stimulus.frame_number
        and is_ack_eliciting(packet)
    ]


def sends_no_ack_of_ack(exchange: Exchange) -> Iterator[Finding]:
    """No packet of ACK frames alone comes before something ack-eliciting is sent."""
    eliciting, alone = _eliciting(exchange), _acks_alone(exchange)
    if not eliciting:
        return
    until = eliciting[0].datagram.frame_number
    for packet in alone:
        if packet.datagram.frame_number < until:
            yield Violation("it acknowledges what is not ack-eliciting", packet, exchange.stimulus)
            return
    yield Held(exchange.stimulus, message="no answer")


def sends_one_ack_for_each(exchange: Exchange) -> Iterator[Finding]:
    """There are no more packets of ACK frames alone than ack-eliciting packets arrive."""
    eliciting, alone = _eliciting(exchange), _acks_alone(exchange)
    if len(alone) > len(eliciting):
        words = f"it sends {len(alone)} packets of ACK frames for {len(eliciting)} that elicit one"
        yield Violation(words, alone[-1], exchange.stimulus)
    else:
        yield Held(*alone[:1], exchange.stimulus)


@case(
    "rfc9000/13.2.1/no-ack-of-ack",
    Level.MUST,
    rows="B-02",
    expects=shows(sends_no_ack_of_ack),
)
async def no_ack_of_ack(tester: Tester) -> None:
    """Packets with ACK frames alone are not answered with packets of the same kind."""
    peer = await tester.connected()
    await peer.settled()
    count = len(peer.arrivals)
    for _ in range(TRIES):
        await peer.stimulus(frames.ack(peer.connection.largest_received))
    await peer.until(lambda: len(peer.arrivals) > count, "an answer, which must not come")


@case(
    "rfc9000/13.2.1/one-ack-for-a-packet",
    Level.MUST,
    rows="B-03",
    expects=shows(sends_one_ack_for_each),
)
async def one_ack_for_a_packet(tester: Tester) -> None:
    """An ack-eliciting packet is answered with one packet of ACK frames alone at most."""
    peer = await tester.connected()
    await peer.settled()
    for _ in range(TRIES):
        await peer.acknowledged(await peer.stimulus(frames.ping()))


def acknowledges_only_what_was_sent(exchange: Exchange) -> Iterator[Finding]:
    """The ranges of ACK frames in 1-RTT have only numbers that arrived."""
    arrived: set[int] = set()
    for packet in exchange.capture.packets:
        if packet.type not in (PacketType.ONE_RTT, PacketType.ZERO_RTT) or packet.number is None:
            continue
        if packet.sender is exchange.tester:
            arrived.add(packet.number)
            continue
        for frame in packet.frames:
            if not isinstance(frame, Ack):
                continue
            missing = [
                number
                for low, high in frame.ranges
                for number in (low, high)
                if number not in arrived
            ]
            if missing or sum(high - low + 1 for low, high in frame.ranges) > len(arrived):
                yield Violation("it acknowledges packets that never came", packet)
                return
            yield Held(packet)


@case(
    "rfc9000/13.1/gap-in-packet-numbers",
    Level.MUST,
    rows="B-06",
    expects=shows(acknowledges_only_what_was_sent),
)
async def gap_in_packet_numbers(tester: Tester) -> None:
    """Packets are acknowledged only once they came, across a gap of 1,000 numbers too."""
    peer = await tester.connected()
    await peer.settled()
    peer.connection.skip_numbers(1000)
    await peer.acknowledged(await peer.stimulus(frames.ping()))


def counts_marks(exchange: Exchange) -> Iterator[Finding]:
    """The ECN counts of 1-RTT packets are those of the packets that arrived with marks."""
    arrived = {Ecn.ECT_0: 0, Ecn.ECT_1: 0, Ecn.CE: 0, Ecn.NOT_ECT: 0}
    acknowledged = None
    wanted = exchange.numbers("stimulus")
    for packet in exchange.capture.packets:
        if packet.type is not PacketType.ONE_RTT:
            continue
        if packet.sender is exchange.tester:
            arrived[packet.datagram.ecn] += 1
            continue
        for frame in packet.frames:
            if isinstance(frame, Ack) and frame.largest >= max(wanted):
                acknowledged = acknowledged or (packet, frame, dict(arrived))
    if acknowledged is None:
        yield Violation("no packet is acknowledged", exchange.stimulus, side=exchange.side)
        return
    packet, frame, counts = acknowledged
    if frame.ecn is None:
        yield NotExercised("it reports no marks: it may have no access to them")
        return
    found = (frame.ecn.ect_0, frame.ecn.ect_1, frame.ecn.ce)
    sent = (counts[Ecn.ECT_0], counts[Ecn.ECT_1], counts[Ecn.CE])
    if found[2] != sent[2] or found[1] != sent[1] or found[0] > sent[0]:
        words = f"it reports {found} marks of ECT(0), ECT(1) and CE, instead of {sent}"
        yield Violation(words, packet)
    else:
        yield Held(packet)


@case("rfc9000/13.4.1/marks-are-counted", Level.MUST, rows="B-07", expects=shows(counts_marks))
async def marks_are_counted(tester: Tester) -> None:
    """An endpoint with access to ECN fields reports how many packets came with each mark."""
    peer = await tester.connected()
    await peer.settled()
    for mark in (Ecn.ECT_0, Ecn.CE, Ecn.ECT_0):
        peer.codepoint = mark.value
        await peer.acknowledged(await peer.stimulus(frames.ping()))
    peer.codepoint = 0


def stops_marking(exchange: Exchange) -> Iterator[Finding]:
    """What answers the last PING is not marked."""
    marked = [
        packet
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and packet.datagram.ecn is not Ecn.NOT_ECT
    ]
    answers = exchange.probes_answered
    if not marked:
        yield NotExercised("it marks no packets")
    elif not answers:
        yield Violation("no PING is acknowledged", exchange.stimulus, side=exchange.side)
    elif answers[-1].datagram.ecn is not Ecn.NOT_ECT:
        yield Violation("it goes on to mark packets", answers[-1], exchange.stimulus)
    else:
        yield Held(answers[-1], exchange.stimulus)


@case("rfc9000/13.4.2/no-counts", Level.MUST, rows="B-08", expects=shows(stops_marking))
async def no_counts(tester: Tester) -> None:
    """An endpoint whose marks are not reported stops setting them."""
    peer = await tester.connected(
        prepare=lambda connection: setattr(connection, "reports_ecn", False)
    )
    await peer.settled()
    await peer.stimulus(frames.ack(peer.connection.largest_received))
    await peer.settled()


@case("rfc9000/13.4.2/counts-of-other-mark", Level.MUST, rows="B-08", expects=shows(stops_marking))
async def counts_of_other_mark(tester: Tester) -> None:
    """An endpoint that is told of marks which it never set stops setting any."""
    peer = await tester.connected(
        prepare=lambda connection: setattr(connection, "reports_ecn", False)
    )
    peer.connection.acknowledges = False
    await peer.send(frames.ping())
    await peer.settled()
    await peer.stimulus(frames.ack(peer.connection.largest_received, ecn=(0, 100, 0)))
    await peer.settled()
