"""RFC 9000, 8.1, and RFC 9002, 6.2: what a client does when its server sends no more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.runner.trace.model import Packet, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import drains, shows
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

BACKOFF_S = 5.0
"""Seconds in which a client that gets no answer sends its Initial again twice."""
SECOND_PROBE_S = 4.0


def _its(exchange: Exchange, kind: PacketType, *, until_next: bool = True) -> list[Packet]:
    """Its packets of a type after the stimulus, up to our next datagram."""
    later = [
        one.frame_number
        for one in exchange.capture.datagrams
        if one.sender is exchange.tester and one.frame_number > exchange.stimuli[-1].frame_number
    ]
    end = min(later, default=1 << 60) if until_next else 1 << 60
    return [
        packet
        for packet in exchange.after
        if packet.type is kind and packet.datagram.frame_number < end
    ]


def probes_with_handshake_packets(exchange: Exchange) -> Iterator[Finding]:
    """A Handshake packet before the server sends anything else."""
    found = _its(exchange, PacketType.HANDSHAKE)
    if found:
        yield Held(found[0], exchange.stimulus)
    else:
        yield Violation(
            "it sends no Handshake packet, and the server may not send any more",
            exchange.stimulus,
            side=exchange.side,
        )


@case(
    "rfc9000/8.1/deadlock-after-the-server-hello",
    Level.MUST,
    rows="C-55",
    roles=CLIENT,
    expects=shows(probes_with_handshake_packets),
)
async def deadlock_after_the_server_hello(tester: Tester) -> None:
    """A client with Handshake keys, and nothing to send, sends a Handshake packet on a PTO."""
    peer = await tester.connecting(held_back=True)
    connection = peer.connection
    hello = connection.unacknowledged_crypto(INITIAL)
    number = connection.largest_received_in(INITIAL)
    await peer.stimulus(frames.ack(number), frames.crypto(hello), kind=INITIAL)
    await tester.until(
        lambda: connection.largest_received_in(HANDSHAKE) >= 0, "a Handshake packet", BACKOFF_S
    )


def repeats_its_handshake_packets(exchange: Exchange) -> Iterator[Finding]:
    """More Handshake packets when they are not acknowledged."""
    found = _its(exchange, PacketType.HANDSHAKE)
    if len(found) > 1:
        yield Held(*found[:2], message=f"it sends {len(found)} Handshake packets")
    else:
        yield Violation("it sends no Handshake packet again", *found, side=exchange.side)


@case(
    "rfc9002/6.2.4/no-handshake-done",
    Level.MAY,
    rows="C-56",
    roles=CLIENT,
    expects=shows(repeats_its_handshake_packets),
)
async def no_handshake_done(tester: Tester) -> None:
    """A client whose Handshake packets are not acknowledged sends them again."""
    peer = await tester.connecting(stimulus=True)
    await peer.handshaking()
    known = len(peer.arrivals)
    await tester.until(lambda: len(peer.arrivals) > known + 2, "probes", SECOND_PROBE_S)


def repeats_its_initial(exchange: Exchange) -> Iterator[Finding]:
    """The Initial packet again, at growing intervals."""
    initials = [
        packet
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and packet.type is PacketType.INITIAL
    ]
    times = sorted({packet.datagram.time for packet in initials})
    groups = [
        time for index, time in enumerate(times) if index == 0 or time - times[index - 1] > 0.05
    ]
    gaps = [after - before for before, after in pairwise(groups)]
    words = "it sends after " + ", ".join(f"{gap:.1f} s" for gap in gaps)
    if len(gaps) > 1 and gaps[1] > gaps[0]:
        yield Held(*initials[:1], message=words)
    else:
        yield Violation(words if gaps else "it does not send again", *initials[:1])


@case(
    "rfc9002/6.2.1/no-answer",
    Level.MAY,
    rows="C-54",
    roles=CLIENT,
    expects=shows(repeats_its_initial),
)
async def no_answer(tester: Tester) -> None:
    """A client that gets no answer sends its Initial packet again, ever more rarely."""
    await tester.initial()
    await tester.until(lambda: len(tester.arrivals) > 2, "two retransmissions", BACKOFF_S)


@case(
    "rfc9000/10.2.2/close-in-an-initial-packet",
    Level.MAY,
    rows="C-52",
    roles=CLIENT,
    expects=drains(),
)
async def close_in_an_initial_packet(tester: Tester) -> None:
    """A client ends its attempt when an Initial packet closes it."""
    peer = await tester.connecting(held_back=True)
    await peer.stimulus(frames.connection_close(0x02), kind=INITIAL)
    peer.forget_flight()


@case(
    "rfc9000/10.2.2/close-in-a-handshake-packet",
    Level.MUST,
    rows="C-52",
    roles=CLIENT,
    expects=drains(),
)
async def close_in_a_handshake_packet(tester: Tester) -> None:
    """A client sends no more when a Handshake packet closes the connection."""
    peer = await tester.connecting()
    await peer.handshaking()
    await peer.stimulus(frames.connection_close(0x01), kind=HANDSHAKE)
