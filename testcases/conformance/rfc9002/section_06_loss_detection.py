"""RFC 9002, 6: loss detection, of which nothing fails anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import INITIAL
from quicmatrix.runner.trace.model import PacketType, Stream
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, case
from quicmatrix.testcases.conformance.packets import is_ack_eliciting
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def sends_probe(exchange: Exchange) -> Iterator[Finding]:
    """An ack-eliciting Initial or Handshake packet follows."""
    for packet in exchange.after:
        if packet.type in (PacketType.INITIAL, PacketType.HANDSHAKE) and is_ack_eliciting(packet):
            yield Held(packet, exchange.stimulus)
            return
    yield Violation("it sends no probe", exchange.stimulus, side=exchange.side)


@case(
    "rfc9002/6.2.2.1/client-probes-blocked-server",
    Level.MAY,
    rows="B-44",
    roles=CLIENT,
    expects=shows(sends_probe),
)
async def client_probes_blocked_server(tester: Tester) -> None:
    """A client whose ClientHello is acknowledged, and not answered, sends a probe."""
    peer = await tester.connecting(held_back=True)
    largest = peer.connection.largest_received_initial
    count = len(peer.arrivals)
    await peer.stimulus(frames.ack(largest, largest), kind=INITIAL)
    await peer.until(lambda: len(peer.arrivals) > count, "a probe")


def sends_again(exchange: Exchange) -> Iterator[Finding]:
    """The stream's first bytes come in two packets."""
    packets = [
        packet
        for packet, frame in exchange.frames_after(Stream)
        if isinstance(frame, Stream) and frame.stream_id == 0 and frame.offset == 0
    ]
    if not packets:
        yield NotExercised("it sends nothing on the stream")
    elif len(packets) == 1:
        yield Violation("it does not send the data again", packets[0])
    else:
        yield Held(*packets[:2])


@case(
    "rfc9002/6.1/lost-data-is-sent-again",
    Level.MAY,
    rows="B-46",
    roles=SERVER,
    expects=shows(sends_again),
)
async def lost_data_is_sent_again(tester: Tester) -> None:
    """Data whose packet was lost is sent again in another packet."""
    peer = await tester.connected()
    await peer.settled()
    stream = peer.new_stream()
    peer.loses = lambda datagram: len(datagram) > len(tester.path_of_file) + 500
    await peer.stimulus(frames.stream(stream, f"GET {tester.path_of_file}\r\n".encode(), fin=True))
    await peer.until(lambda: peer.lost > 0, "an answer, which is lost")
    peer.loses = lambda _: False
    await peer.until(lambda: stream in peer.ended, "the same answer again")
