"""RFC 9114, 7.2.4.2: when SETTINGS are sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import Packet, Side, Stream
from quicmatrix.testcases.conformance import h3
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def settings_come_first(exchange: Exchange) -> Iterator[Finding]:
    """The implementation sends SETTINGS before the tester opens its control stream."""
    opened = _first_control_stream(exchange, exchange.tester)
    sent = _first_control_stream(exchange, exchange.side)
    if sent is None:
        yield Violation("it sends no SETTINGS", side=exchange.side)
    elif opened is not None and opened.datagram.frame_number < sent.datagram.frame_number:
        yield Violation("it sends SETTINGS only when those of its peer have come", sent, opened)
    else:
        yield Held(sent)


def _first_control_stream(exchange: Exchange, sender: Side) -> Packet | None:
    """The first packet of a side's control stream with a SETTINGS frame on it."""
    packets = [packet for packet in exchange.capture.packets if packet.sender is sender]
    streams = {
        frame.stream_id: packet
        for packet in reversed(packets)
        for frame in packet.frames
        if isinstance(frame, Stream) and frame.stream_id % 4 in (2, 3)
    }
    for stream_id, packet in streams.items():
        kind, data = h3.stream_type(h3.stream_bytes(packets, stream_id))
        if kind == h3.CONTROL and any(one == h3.SETTINGS for one, _ in h3.frames(data)):
            return packet
    return None


@case(
    "rfc9114/7.2.4.2/settings-without-waiting",
    Level.MUST,
    rows="H-49",
    flow=HTTP3,
    expects=shows(settings_come_first),
)
async def settings_without_waiting(tester: Tester) -> None:
    """SETTINGS are sent without waiting for those of the peer."""
    peer = await tester.connected(control=False)
    await peer.until(lambda: peer.settings is not None, "SETTINGS")
    peer.open_control()
