"""RFC 9000, 10.1 and 10.2: idle timeout, and the closing and draining states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType, varint
from quicmatrix.endpoint.tester.parameters import Parameter, replaced
from quicmatrix.runner.trace.model import ConnectionClose, Packet
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import drains, shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

LATE_PACKETS = 20
"""Sent to an endpoint that has closed the connection."""
IDLE_TIMEOUT_MS = 300
UNKNOWN_FRAME = varint(0x3F)


def _after_close(exchange: Exchange) -> tuple[Packet, ...]:
    """What was sent after the first CONNECTION_CLOSE."""
    assert exchange.close is not None
    return exchange.sent_after(exchange.close[0].datagram)


def sends_little_when_closing(exchange: Exchange) -> Iterator[Finding]:
    """After CONNECTION_CLOSE there is nothing else, nor thrice what arrives."""
    if exchange.close is None:
        return
    first = exchange.close[0]
    later = _after_close(exchange)
    for packet in later:
        if not any(isinstance(frame, ConnectionClose) for frame in packet.frames):
            yield Violation(f"it sends {packet.type} without CONNECTION_CLOSE", packet, first)
            return
    sent = sum(one.size for one in dict.fromkeys(packet.datagram for packet in later))
    arrived = sum(
        one.size
        for one in exchange.capture.datagrams
        if one.sender is exchange.tester and one.frame_number > first.datagram.frame_number
    )
    if sent > 3 * arrived:
        yield Violation(f"it sends {sent} bytes for {arrived} that arrive", later[-1], first)
    else:
        yield Held(first, *later[:1])


def limits_rate_when_closing(exchange: Exchange) -> Iterator[Finding]:
    """Not each packet is answered with CONNECTION_CLOSE."""
    if exchange.close is None:
        return
    answers = {packet.datagram.frame_number for packet in _after_close(exchange)}
    if len(answers) >= LATE_PACKETS:
        words = f"it answers {LATE_PACKETS} packets with {len(answers)} datagrams"
        yield Violation(words, exchange.close[0])
    else:
        yield Held(exchange.close[0])


async def _closed_by_error(tester: Tester) -> None:
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(UNKNOWN_FRAME)
    await peer.received(FrameType.CONNECTION_CLOSE)
    for _ in range(LATE_PACKETS):
        await peer.send(frames.ping())


@case(
    "rfc9000/10.2.1/little-is-sent-when-closing",
    Level.MUST,
    rows="B-27",
    expects=shows(sends_little_when_closing),
)
async def little_is_sent_when_closing(tester: Tester) -> None:
    """An endpoint that has closed sends CONNECTION_CLOSE alone, at most thrice what arrives."""
    await _closed_by_error(tester)


@case(
    "rfc9000/10.2.1/rate-is-limited-when-closing",
    Level.SHOULD,
    rows="B-27",
    expects=shows(limits_rate_when_closing),
)
async def rate_is_limited_when_closing(tester: Tester) -> None:
    """An endpoint that has closed limits the rate at which it sends CONNECTION_CLOSE."""
    await _closed_by_error(tester)


@case("rfc9000/10.2.2/draining", Level.MUST, rows="B-28", expects=drains())
async def draining(tester: Tester) -> None:
    """After CONNECTION_CLOSE of its peer an endpoint sends nothing, but for one of its own."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.connection_close(0))


@case(
    "rfc9000/10.2.2/unknown-error-code",
    Level.MUST,
    rows="F-60 B-28 C-41",
    expects=drains(),
)
async def unknown_error_code(tester: Tester) -> None:
    """The same goes for a CONNECTION_CLOSE whose error code nobody knows."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.connection_close(0x3FFF_FFFF, reason=b"unknown"))


def is_closed_when_idle(exchange: Exchange) -> Iterator[Finding]:
    """The PING after the idle time is not acknowledged."""
    if answered := exchange.probes_answered:
        yield Violation("it still acknowledges a PING", answered[0], *exchange.datagrams("probe"))
    else:
        yield Held(*exchange.datagrams("probe")[:1], message="it does not answer")


@case(
    "rfc9000/10.1/smaller-idle-timeout",
    Level.MAY,
    rows="B-30 B-31",
    roles=SERVER,
    expects=shows(is_closed_when_idle),
)
async def smaller_idle_timeout(tester: Tester) -> None:
    """A connection that is idle for longer than the smaller max_idle_timeout is gone."""
    peer = await tester.connecting(
        alter_parameters=replaced(Parameter.MAX_IDLE_TIMEOUT, IDLE_TIMEOUT_MS), stimulus=True
    )
    await peer.confirmed()
    await peer.settled()
    await peer.until(lambda: peer.is_over, "the end of the connection, which is silent")
