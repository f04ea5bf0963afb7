"""How connections end (RFC 9000, 10.2)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import ConnectionClose, Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.shared.contract import is_done
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    by_connection,
    exists,
    frames,
    never,
    readable,
    sent,
)

NO_ERROR = 0x00
H3_NO_ERROR = 0x100
"""RFC 9114, 8.1."""
APPLICATION_ERROR = 0x0C
"""What an application's close becomes in a packet that is not 1-RTT (RFC 9000, 10.2.3), whatever
its code: a server that is stopped during a handshake closes with it too."""

TRANSPORT_ERRORS = (
    "NO_ERROR",
    "INTERNAL_ERROR",
    "CONNECTION_REFUSED",
    "FLOW_CONTROL_ERROR",
    "STREAM_LIMIT_ERROR",
    "STREAM_STATE_ERROR",
    "FINAL_SIZE_ERROR",
    "FRAME_ENCODING_ERROR",
    "TRANSPORT_PARAMETER_ERROR",
    "CONNECTION_ID_LIMIT_ERROR",
    "PROTOCOL_VIOLATION",
    "INVALID_TOKEN",
    "APPLICATION_ERROR",
    "CRYPTO_BUFFER_EXCEEDED",
    "KEY_UPDATE_ERROR",
    "AEAD_LIMIT_REACHED",
    "NO_VIABLE_PATH",
    "VERSION_NEGOTIATION_ERROR",
)
"""By code (RFC 9000, 20.1; RFC 9368, 5)."""


@requirement(Level.TEST, "interop suite")
def no_side_closes_with_a_transport_error(seen: Observation) -> Iterator[Finding]:
    """No side closes a connection because of a transport error."""
    closes = [_closes(seen.trace, side) for side in Side]
    yield from never(
        (
            Violation(f"the {packet.sender} closes with {describe(close)}", packet)
            for view in closes
            for packet, close in view
            if not close.application and close.error_code not in (NO_ERROR, APPLICATION_ERROR)
        ),
        *(readable(sent(seen.trace, side)) for side in Side),
    )


@requirement(Level.TEST, "interop suite")
def no_side_closes_with_an_error(seen: Observation) -> Iterator[Finding]:
    """No side closes a connection with an error before the client is done."""
    if is_done(seen.record):
        yield Held(message="the client is done")
        return
    closes = (one for side in Side for one in _closes(seen.trace, side))
    yield from never(
        (
            Violation(f"it closes with {describe(close)}", packet)
            for packet, close in sorted(closes, key=lambda one: one[0].time)
            if close.error_code
            not in (NO_ERROR, H3_NO_ERROR if close.application else APPLICATION_ERROR)
        ),
        *(readable(sent(seen.trace, side)) for side in Side),
    )


@requirement(Level.SHOULD, "interop suite")
def connection_is_closed_with_code_0(seen: Observation) -> Iterator[Finding]:
    """A side closes the connection, with code 0."""
    closes = [_closes(seen.trace, side) for side in Side]
    yield from exists(
        (close for view in closes for close in view),
        Violation("no side sends a CONNECTION_CLOSE frame"),
        *closes,
    )
    yield from never(
        Violation(f"the {packet.sender} closes with {describe(close)}", packet)
        for view in closes
        for packet, close in view
        if close.error_code != NO_ERROR and packet.type is PacketType.ONE_RTT
    )


def describe(close: ConnectionClose) -> str:
    """The frame in words, e.g. ``transport error 0x0a (PROTOCOL_VIOLATION): no such stream``."""
    kind = "application" if close.application else "transport"
    name = "" if close.application else _error_name(close.error_code)
    reason = f": {close.reason}" if close.reason else ""
    return f"{kind} error 0x{close.error_code:02x}{f' ({name})' if name else ''}{reason}"


def _error_name(code: int) -> str:
    if 0x100 <= code <= 0x1FF:
        return f"CRYPTO_ERROR, TLS alert {code - 0x100}"
    return TRANSPORT_ERRORS[code] if code < len(TRANSPORT_ERRORS) else ""


def _closes(trace: Trace, side: Side) -> View[tuple[Packet, ConnectionClose]]:
    """The closes that are this side's own, not its answers to one of the peer's."""
    own = frames(sent(trace, side), ConnectionClose)
    answered = {
        connection: view.items[0].datagram.frame_number
        for connection, view in by_connection(_packets(arrived(trace, side))).items()
    }
    return View(
        tuple(
            (packet, close)
            for packet, close in own
            if packet.connection not in answered
            or packet.datagram.frame_number < answered[packet.connection]
        ),
        own.gap,
    )


def _packets(arriving: View[Packet]) -> View[Packet]:
    closes = frames(arriving, ConnectionClose)
    return View(tuple(packet for packet, _ in closes), closes.gap)
