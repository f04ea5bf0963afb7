"""What an implementation sent back on the path of the stimulus, and what it may send. Pure.

For stimuli that belong to no connection: each is sent from a port of its own, and a connection
from another port shows afterwards that the implementation still works.
"""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    Ack,
    ConnectionClose,
    Crypto,
    Datagram,
    Packet,
    PacketType,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import ExchangeCheck, shows
from quicmatrix.testcases.conformance.model import Expectation
from quicmatrix.testcases.model import Finding, Held, Inconclusive, Violation
from quicmatrix.testcases.views.datagrams import with_packets

Reply = tuple[Datagram, tuple[Packet, ...]]


def replies(exchange: Exchange) -> tuple[Reply, ...]:
    """The datagrams that it sent on the path of the stimulus, after it, with their packets."""
    stimulus = exchange.stimulus
    return tuple(
        (datagram, packets)
        for datagram, packets in with_packets(exchange.capture)
        if datagram.sender is exchange.side
        and datagram.path == stimulus.path
        and datagram.frame_number > stimulus.frame_number
    )


def named(reply: Reply) -> str:
    """The types of the packets in a reply."""
    datagram, packets = reply
    return " and ".join(one.type for one in packets) or f"{datagram.size} bytes"


def silence(*allowed: PacketType) -> ExchangeCheck:
    """Finds no reply, or only packets of these types."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        for reply in replies(exchange):
            if not reply[1] or any(packet.type not in allowed for packet in reply[1]):
                yield Violation(f"it answers with {named(reply)}", reply[0], exchange.stimulus)
                return
        yield Held(exchange.stimulus, message="no answer")

    return check


def no_reply(*allowed: PacketType) -> Expectation:
    """It does not answer, or only with packets of these types."""
    return shows(silence(*allowed))


def not_served() -> Expectation:
    """It does not process an Initial: no acknowledgment, no handshake; it may close."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        for _, packets in replies(exchange):
            for packet in packets:
                if _is_service(packet):
                    yield Violation(
                        f"it answers with {_content(packet)}", packet, exchange.stimulus
                    )
                    return
        yield Held(exchange.stimulus, message="it does not process the packet")

    return shows(check)


def processed() -> Expectation:
    """It answers an Initial before anything else comes."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        for packet in unprompted(exchange, PacketType.INITIAL):
            if _is_service(packet):
                yield Held(packet, exchange.stimulus)
                return
        yield Violation("it does not answer the packet", exchange.stimulus, side=exchange.side)

    return shows(check)


def negotiates_version(*, echoes: bool = False) -> Expectation:
    """It answers with Version Negotiation.

    Args:
        echoes: Whether with the connection IDs of the stimulus.
    """

    def check(exchange: Exchange) -> Iterator[Finding]:
        found = version_negotiations(exchange)
        if not found:
            others = replies(exchange)
            words = f"it answers with {named(others[0])}" if others else "it does not answer"
            yield Violation(
                f"{words}, instead of Version Negotiation",
                *(one for one, _ in others[:1]),
                exchange.stimulus,
                side=exchange.side,
            )
        for packet in found:
            if not packet.supported_versions:
                yield Violation("it lists no version", packet)
            elif echoes and (words := _unlike(packet, exchange)):
                yield Violation(words, packet, exchange.stimulus)
            else:
                yield Held(packet, exchange.stimulus)

    return shows(check)


def echoed() -> Expectation:
    """Its Version Negotiation packets have the connection IDs of the stimulus."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        for packet in version_negotiations(exchange):
            if words := _unlike(packet, exchange):
                yield Violation(words, packet, exchange.stimulus)
            else:
                yield Held(packet, exchange.stimulus)

    return shows(check)


def at_most_one_version_negotiation() -> Expectation:
    """One Version Negotiation packet answers a datagram, if any does."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        found = version_negotiations(exchange)
        if len(found) > 1:
            yield Violation(f"it answers with {len(found)}", *found, exchange.stimulus)
        elif found:
            yield Held(*found, exchange.stimulus)

    return shows(check)


def version_negotiations(exchange: Exchange) -> tuple[Packet, ...]:
    """Its Version Negotiation packets after the stimulus, on the path of the stimulus."""
    return tuple(
        packet
        for _, packets in replies(exchange)
        for packet in packets
        if packet.type is PacketType.VERSION_NEGOTIATION
    )


def stimulus_header(exchange: Exchange) -> Packet:
    """The first packet of the stimulus, of which the trace knows the connection IDs at least.

    Raises:
        Inconclusive: The trace has no packet of it.
    """
    stimulus = exchange.stimulus
    for packet in exchange.capture.packets:
        if packet.datagram is stimulus or packet.datagram == stimulus:
            return packet
    raise Inconclusive("the stimulus was not decoded")


def _unlike(packet: Packet, exchange: Exchange) -> str:
    asked = stimulus_header(exchange)
    if packet.dcid != asked.scid:
        return "its Destination Connection ID is not the Source Connection ID of what it answers"
    if packet.scid != asked.dcid:
        return "its Source Connection ID is not the Destination Connection ID of what it answers"
    return ""


def _is_service(packet: Packet) -> bool:
    if packet.type in (PacketType.HANDSHAKE, PacketType.ONE_RTT, PacketType.RETRY):
        return True
    if packet.type is not PacketType.INITIAL:
        return False
    if not packet.decrypted:
        raise Inconclusive(f"{packet} could not be decrypted")
    is_close = any(isinstance(frame, ConnectionClose) for frame in packet.frames)
    return any(
        isinstance(frame, Crypto) or (isinstance(frame, Ack) and not is_close)
        for frame in packet.frames
    )


def _content(packet: Packet) -> str:
    kinds = " and ".join(dict.fromkeys(type(frame).__name__ for frame in packet.frames))
    return f"{packet.type} {kinds}".strip()


def makes_no_handshake(exchange: Exchange) -> Iterator[Finding]:
    """No CRYPTO data for who sent the stimulus."""
    for _, packets in replies(exchange):
        for packet in packets:
            has_crypto = any(isinstance(frame, Crypto) for frame in packet.frames)
            if packet.type is PacketType.HANDSHAKE or has_crypto:
                words = "it goes on with the handshake"
                yield Violation(words, packet, exchange.stimulus)
                return
    yield Held(exchange.stimulus, message="it does not go on with the handshake")


def unprompted(exchange: Exchange, kind: PacketType) -> list[Packet]:
    """Its packets of a type after the last stimulus, up to our next datagram."""
    at = exchange.stimuli[-1].frame_number
    later = (one for one in exchange.capture.datagrams if one.sender is exchange.tester)
    end = min((one.frame_number for one in later if one.frame_number > at), default=1 << 60)
    return [
        packet
        for packet in exchange.after
        if packet.type is kind and packet.datagram.frame_number < end
    ]


def acknowledges_the_stimulus(exchange: Exchange) -> Iterator[Finding]:
    """An acknowledgment of the stimulus."""
    if found := exchange.stimulus_acknowledged:
        yield Held(found[0], exchange.stimulus)
    else:
        yield Violation("it does not acknowledge the packet", exchange.stimulus, side=exchange.side)
