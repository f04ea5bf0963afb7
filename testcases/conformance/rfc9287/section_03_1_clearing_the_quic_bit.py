"""RFC 9287, 3: the grease_quic_bit transport parameter, and clearing the QUIC bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.parameters import Parameter, without
from quicmatrix.runner.trace.model import Packet, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, RESUMPTION, case
from quicmatrix.testcases.conformance.replies import acknowledges_the_stimulus
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

WITH_QUIC_BIT = (
    PacketType.INITIAL,
    PacketType.ZERO_RTT,
    PacketType.HANDSHAKE,
    PacketType.RETRY,
    PacketType.ONE_RTT,
)
"""In a Version Negotiation packet the bit has no meaning (RFC 9000, 17.2.1)."""


@case(
    "rfc9287/3/quic-bit-of-0",
    Level.MUST,
    rows="X-01",
    expects=shows(acknowledges_the_stimulus),
)
async def quic_bit_of_0(tester: Tester) -> None:
    """An endpoint that announces grease_quic_bit accepts packets whose QUIC bit is 0."""
    peer = await tester.connected()
    if Parameter.GREASE_QUIC_BIT not in peer.connection.peer_parameters:
        tester.not_applicable("it does not announce grease_quic_bit")
    await peer.stimulus(frames.ping(), shape=Shape(fixed_bit=False))


def has_the_bit(packets: Iterable[Packet]) -> Iterator[Finding]:
    """Packets whose QUIC bit is 1."""
    for packet in packets:
        if packet.type not in WITH_QUIC_BIT:
            continue
        if packet.fixed_bit:
            yield Held(packet)
        else:
            yield Violation("its QUIC bit is 0", packet)
            return


@case(
    "rfc9287/3.1/peer-without-the-parameter",
    Level.MUST,
    rows="X-01",
    expects=shows(lambda exchange: has_the_bit(_its_packets(exchange))),
)
async def peer_without_the_parameter(tester: Tester) -> None:
    """The QUIC bit is 1 for a peer that has not announced grease_quic_bit."""
    alteration = without(Parameter.GREASE_QUIC_BIT)
    await tester.connected(alter_parameters=alteration, stimulus=True)


def clears_the_bit_at_times(exchange: Exchange) -> Iterator[Finding]:
    """Packets whose QUIC bit is 0 among those whose bit is 1."""
    cleared = [packet for packet in _its_packets(exchange) if not packet.fixed_bit]
    words = f"the QUIC bit of {len(cleared)} packets is 0"
    yield Held(*cleared[:1], message=words)


@case(
    "rfc9287/3.1/peer-with-the-parameter",
    Level.MAY,
    rows="X-02",
    expects=shows(clears_the_bit_at_times),
)
async def peer_with_the_parameter(tester: Tester) -> None:
    """For a peer that has announced grease_quic_bit the QUIC bit can be random."""
    await tester.connected(stimulus=True)


def _its_packets(exchange: Exchange) -> list[Packet]:
    assert exchange.stimulus
    return [one for one in exchange.capture.packets if one.sender is exchange.side]


def begins_with_the_bit(exchange: Exchange) -> Iterator[Finding]:
    """The QUIC bit in a client's packets until the server's answer comes."""
    answer = exchange.stimulus.frame_number
    second = max(
        (
            packet.datagram.frame_number
            for packet in exchange.capture.packets
            if packet.sender is exchange.tester and packet.datagram.frame_number < answer
        ),
        default=0,
    )
    return has_the_bit(
        packet
        for packet in _its_packets(exchange)
        if second < packet.datagram.frame_number < answer and packet.scid is not None
    )


@case(
    "rfc9287/3.1/resumed-client-without-a-token",
    Level.MUST,
    rows="C-59",
    roles=CLIENT,
    flow=RESUMPTION,
    expects=shows(begins_with_the_bit),
)
async def resumed_client_without_a_token(tester: Tester) -> None:
    """A client without a token of the server keeps the QUIC bit until it has the parameters."""
    peer = await tester.connected()
    for stream_id, path in peer.requests.items():
        peer.respond(stream_id, tester.file(path))
    await peer.until(lambda: peer.is_over, "the end of the first connection")
    peer.stop()
    await tester.connected(stimulus=True)
