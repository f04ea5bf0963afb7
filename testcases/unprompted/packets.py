"""Packets: their headers, numbers and the frames that they may carry (RFC 9000, 12 and 17)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    Ack,
    ConnectionClose,
    Crypto,
    Frame,
    HandshakeDone,
    NewToken,
    Packet,
    PacketType,
    Path,
    PathResponse,
    Ping,
    RetireConnectionId,
    Side,
    announces_grease,
)
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    complete,
    decrypted,
    every,
    frames,
    readable,
    sent,
)

LONGEST_ID = 20
"""Bytes of a connection ID in versions 1 and 2 (RFC 9000, 17.2)."""
SHORTEST_FIRST_ID = 8
"""Bytes of the Destination Connection ID of a client's first Initial (RFC 9000, 7.2)."""
SPACES = {
    PacketType.INITIAL: "Initial",
    PacketType.HANDSHAKE: "Handshake",
    PacketType.ZERO_RTT: "application data",
    PacketType.ONE_RTT: "application data",
}
"""Packet number spaces (RFC 9000, 12.3)."""
_IN_HANDSHAKE = (Ping, Ack, Crypto, ConnectionClose)
_NOT_IN_0_RTT = (Ack, Crypto, HandshakeDone, NewToken, PathResponse, RetireConnectionId)


@requirement(Level.MUST, "RFC 9000, 12.3")
def packet_numbers_increase(seen: Observation) -> Iterator[Finding]:
    """Each packet has a higher number than all that were sent before it in its space."""
    # Except that of a CONNECTION_CLOSE which is repeated (RFC 9000, 10.2.1).
    for side in Side:
        numbered = decrypted(sent(seen.trace, side, *SPACES))
        highest: dict[tuple[int | None, str], Packet] = {}

        def findings(
            packets: View[Packet] = numbered,
            highest: dict[tuple[int | None, str], Packet] = highest,
        ) -> Iterator[Finding]:
            for packet in packets:
                # After Version Negotiation, Initials of another version begin anew (RFC 9000, 6.2).
                version = packet.version if packet.type is PacketType.INITIAL else ""
                space = packet.connection, f"{SPACES[packet.type]} {version}"
                before = highest.get(space)
                if packet.number is None or packet.connection is None:
                    continue
                if before is None or before.number is None or packet.number > before.number:
                    highest[space] = packet
                    yield Held(packet)
                elif not (packet.number == before.number and _closes(packet) and _closes(before)):
                    yield Violation(f"{packet.number} follows {before.number}", packet, before)

        yield from every(findings(), numbered)


@requirement(Level.MUST, "RFC 9000, 13.1")
def only_received_packets_are_acknowledged(seen: Observation) -> Iterator[Finding]:
    """An ACK frame covers packet numbers that arrived in the same space, and no others."""
    for side in Side:
        complete(decrypted(arrived(seen.trace, side, *SPACES)))
        came: dict[tuple[int | None, str], set[int]] = {}
        for packet in seen.trace.near(side).packets:
            if packet.type not in SPACES or packet.number is None:
                continue
            space = came.setdefault((packet.connection, SPACES[packet.type]), set())
            if packet.sender is not side:
                space.add(packet.number)
                continue
            for frame in packet.frames:
                if not isinstance(frame, Ack):
                    continue
                if unknown := next(_not_among(frame, space), None):
                    yield Violation(
                        f"it acknowledges {SPACES[packet.type]} packet {unknown}, which has not "
                        "arrived",
                        packet,
                    )
                else:
                    yield Held(packet)


@requirement(Level.MUST, "RFC 9000, 12.4")
def frames_are_in_packets_that_may_have_them(seen: Observation) -> Iterator[Finding]:
    """Initial, Handshake and 0-RTT packets carry only the frames that are allowed in them."""
    for side in Side:
        packets = readable(sent(seen.trace, side, *SPACES))
        yield from every((_allowed(packet) for packet in packets), packets)


@requirement(Level.MUST, "RFC 9000, 12.5")
def client_sends_no_frames_of_servers(seen: Observation) -> Iterator[Finding]:
    """A client sends no NEW_TOKEN and no HANDSHAKE_DONE frame."""
    packets = readable(sent(seen.trace, Side.CLIENT, PacketType.ZERO_RTT, PacketType.ONE_RTT))
    wrong = {id(packet): frame for packet, frame in frames(packets, NewToken, HandshakeDone)}
    yield from every(
        (
            Violation(f"it has a {type(wrong[id(packet)]).__name__} frame", packet)
            if id(packet) in wrong
            else Held(packet)
            for packet in packets
        ),
        packets,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.2")
def server_initials_have_no_token(seen: Observation) -> Iterator[Finding]:
    """The Token Length of a server's Initial packet is 0."""
    for packet in sent(seen.trace, Side.SERVER, PacketType.INITIAL):
        if packet.token:
            yield Violation(f"its token has {len(packet.token)} bytes", packet)
        else:
            yield Held(packet)


@requirement(Level.MUST, "RFC 9000, 17.2")
def connection_ids_have_20_bytes_at_most(seen: Observation) -> Iterator[Finding]:
    """A connection ID in a long header has 20 bytes at most."""
    for side in Side:
        for packet in sent(seen.trace, side):
            if not packet.version:
                continue
            longest = max(len(packet.dcid), len(packet.scid or b""))
            if longest > LONGEST_ID:
                yield Violation(f"one has {longest} bytes", packet)
            else:
                yield Held(packet)


@requirement(Level.MUST, "RFC 9000, 17.2")
def quic_bit_is_set(seen: Observation) -> Iterator[Finding]:
    """The fixed bit is 1 until the peer's grease_quic_bit parameter has been received."""
    for side in Side:
        greased: set[int | None] = set()
        for packet in seen.trace.near(side).packets:
            if packet.sender is not side:
                greased |= {packet.connection for _ in filter(announces_grease, packet.tls)}
            elif packet.type in (PacketType.STATELESS_RESET, PacketType.VERSION_NEGOTIATION):
                continue
            elif packet.fixed_bit:
                yield Held(packet)
            elif packet.connection not in greased and packet.connection is not None:
                yield Violation("its fixed bit is 0", packet)


@requirement(Level.MUST, "RFC 9000, 7.2")
def first_destination_is_long_and_stays(seen: Observation) -> Iterator[Finding]:
    """A client's Initials go to one connection ID of 8 bytes or more until the server answers."""
    initial: dict[tuple[Path, bytes | None], Packet] = {}
    answered: set[Path] = set()
    for packet in seen.trace.near(Side.CLIENT).packets:
        if packet.sender is Side.SERVER:
            answered.add(packet.path)
        elif packet.type is PacketType.INITIAL and packet.path not in answered:
            first = initial.setdefault((packet.path, packet.scid), packet)
            if len(packet.dcid) < SHORTEST_FIRST_ID:
                yield Violation(f"it goes to a connection ID of {len(packet.dcid)} bytes", packet)
            elif packet.dcid != first.dcid:
                yield Violation(f"it goes to {packet.dcid.hex()}", packet, first)
            else:
                yield Held(packet)


@requirement(Level.MUST, "RFC 9001, 4.9.1")
def client_discards_initial_keys(seen: Observation) -> Iterator[Finding]:
    """A client sends no Initial packet after it has sent a Handshake packet."""
    first: dict[int, Packet] = {}
    for packet in sent(seen.trace, Side.CLIENT, PacketType.INITIAL, PacketType.HANDSHAKE):
        if packet.connection is None:
            continue
        if packet.type is PacketType.HANDSHAKE:
            first.setdefault(packet.connection, packet)
            yield Held(packet)
        elif packet.connection in first:
            before = first[packet.connection]
            if packet.datagram.frame_number > before.datagram.frame_number:
                yield Violation("it is an Initial packet", packet, before)


@requirement(Level.MUST, "RFC 9001, 4.1.2")
def server_confirms_the_handshake(seen: Observation) -> Iterator[Finding]:
    """A server that acknowledges 1-RTT packets has sent HANDSHAKE_DONE."""
    packets = readable(sent(seen.trace, Side.SERVER, PacketType.ONE_RTT))
    done = {packet.connection for packet, _ in frames(packets, HandshakeDone)}
    acknowledging: dict[int | None, Packet] = {}
    for packet, _ in frames(packets, Ack):
        acknowledging.setdefault(packet.connection, packet)

    def findings() -> Iterator[Finding]:
        for connection, packet in acknowledging.items():
            if connection in done:
                yield Held(packet)
            else:
                yield Violation("no HANDSHAKE_DONE frame is sent on its connection", packet)

    complete(packets)
    yield from findings()


def _allowed(packet: Packet) -> Finding:
    wrong: Frame | None = None
    if packet.type in (PacketType.INITIAL, PacketType.HANDSHAKE):
        wrong = next((one for one in packet.frames if not _is_of_handshake(one)), None)
    elif packet.type is PacketType.ZERO_RTT:
        wrong = next((one for one in packet.frames if isinstance(one, _NOT_IN_0_RTT)), None)
    if wrong is None:
        return Held(packet)
    return Violation(f"it has a {type(wrong).__name__} frame", packet)


def _is_of_handshake(frame: Frame) -> bool:
    if isinstance(frame, ConnectionClose):
        return not frame.application
    return isinstance(frame, _IN_HANDSHAKE)


def _closes(packet: Packet) -> bool:
    return any(isinstance(frame, ConnectionClose) for frame in packet.frames)


def _not_among(ack: Ack, came: set[int]) -> Iterator[str]:
    for low, high in ack.ranges:
        if high - low >= len(came):
            yield f"{low} to {high}"
        yield from (str(number) for number in range(low, high + 1) if number not in came)
