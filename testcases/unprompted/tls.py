"""TLS messages and the transport parameters in them (RFC 9000, 7.3 and 18.2; RFC 9001, 4 and 8)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    NewSessionTicket,
    OtherTlsMessage,
    Packet,
    PacketType,
    Side,
    TransportParameters,
)
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import complete, messages, readable, sent

ALPN, QUIC_TRANSPORT_PARAMETERS = 16, 57
"""Types of extensions (RFC 7301; RFC 9001, 8.2)."""
CERTIFICATE_REQUEST = 13
"""RFC 8446, 4."""
TLS_1_3 = 0x0304
_DRAFTS = 0x7F
"""The first byte of a draft of TLS 1.3."""
EARLY_DATA_BYTES = 0xFFFFFFFF
"""RFC 9001, 4.6.1."""
_RANGES = {
    "max_udp_payload_size": (1200, None),
    "ack_delay_exponent": (0, 20),
    "max_ack_delay": (0, (1 << 14) - 1),
    "active_connection_id_limit": (2, None),
    "initial_max_streams_bidi": (0, 1 << 60),
    "initial_max_streams_uni": (0, 1 << 60),
}
"""RFC 9000, 18.2."""
_OF_SERVERS = (
    "original_destination_connection_id",
    "stateless_reset_token",
    "preferred_address",
    "retry_source_connection_id",
)
_REMEMBERED = (
    "active_connection_id_limit",
    "initial_max_data",
    "initial_max_stream_data_bidi_local",
    "initial_max_stream_data_bidi_remote",
    "initial_max_stream_data_uni",
    "initial_max_streams_bidi",
    "initial_max_streams_uni",
)
"""RFC 9000, 7.4.1."""


@requirement(Level.MUST, "RFC 9001, 4.2")
def client_offers_no_old_tls(seen: Observation) -> Iterator[Finding]:
    """A ClientHello offers no version of TLS before 1.3."""
    for packet, hello in _hellos(seen):
        versions = [one for one in hello.supported_versions if not _is_grease(one)]
        old = [one for one in versions if one < TLS_1_3]
        if old or not versions:
            names = ", ".join(f"{one:#06x}" for one in old) or "no version"
            yield Violation(f"it offers {names}", packet)
        else:
            yield Held(packet)


@requirement(Level.MUST, "RFC 9001, 8.4")
def client_sends_no_session_id(seen: Observation) -> Iterator[Finding]:
    """The legacy_session_id of a ClientHello is empty."""
    for packet, hello in _hellos(seen):
        if hello.legacy_session_id:
            yield Violation(f"it has {len(hello.legacy_session_id)} bytes", packet)
        else:
            yield Held(packet)


@requirement(Level.MUST, "RFC 9001, 8.1")
def client_offers_an_application_protocol(seen: Observation) -> Iterator[Finding]:
    """A ClientHello has an ALPN extension."""
    yield from _has_extension(seen, Side.CLIENT, ALPN)


@requirement(Level.MUST, "RFC 9001, 8.2")
def transport_parameters_are_sent(seen: Observation) -> Iterator[Finding]:
    """ClientHello and EncryptedExtensions have a quic_transport_parameters extension."""
    for side in Side:
        yield from _has_extension(seen, side, QUIC_TRANSPORT_PARAMETERS)


@requirement(Level.MUST, "RFC 9000, 7.3")
def source_connection_id_is_authenticated(seen: Observation) -> Iterator[Finding]:
    """The parameter initial_source_connection_id is that of the sender's first Initial packet."""
    for side in Side:
        first: dict[int | None, bytes | None] = {}
        for packet in sent(seen.trace, side, PacketType.INITIAL):
            first.setdefault(packet.connection, packet.scid)
        for packet, parameters in _parameters(seen, side):
            said = parameters.initial_source_connection_id
            if said is None or packet.connection not in first:
                yield Violation("it is not there", packet)
            elif said == first[packet.connection]:
                yield Held(packet)
            else:
                yield Violation(f"it is {said.hex() or 'empty'}", packet)


@requirement(Level.MUST, "RFC 9000, 7.3")
def original_destination_is_authenticated(seen: Observation) -> Iterator[Finding]:
    """A server's original_destination_connection_id is where the client's first Initial went."""
    initials = sent(seen.trace, Side.CLIENT, PacketType.INITIAL)
    retried = {one.dcid for one in sent(seen.trace, Side.SERVER, PacketType.RETRY)}
    complete(initials)
    asked: dict[int | None, set[bytes]] = {}
    for packet in seen.trace.near(Side.SERVER).packets:
        if packet.sender is Side.CLIENT and packet.type is PacketType.INITIAL:
            asked.setdefault(packet.connection, set()).add(packet.dcid)
    for packet, parameters in _parameters(seen, Side.SERVER):
        said, known = parameters.original_destination_connection_id, asked.get(packet.connection)
        if said is None:
            yield Violation("it is not there", packet)
        elif known is None or said in known or retried:
            yield Held(packet)
        else:
            yield Violation(f"it is {said.hex()}", packet)


@requirement(Level.MUST, "RFC 9000, 7.3")
def retry_source_is_authenticated(seen: Observation) -> Iterator[Finding]:
    """A server sends retry_source_connection_id after a Retry of its own, and only then."""
    retries = sent(seen.trace, Side.SERVER, PacketType.RETRY)
    complete(retries)
    sources = {one.scid for one in retries}
    for packet, parameters in _parameters(seen, Side.SERVER):
        said = parameters.retry_source_connection_id
        if (said is None and not sources) or (said is not None and said in sources):
            yield Held(packet)
        elif said is not None:
            yield Violation(f"it is {said.hex() or 'empty'}, and no Retry had that", packet)


@requirement(Level.MUST, "RFC 9000, 18.2")
def parameters_are_in_their_ranges(seen: Observation) -> Iterator[Finding]:
    """Each transport parameter is in its range, and there once."""
    for side in Side:
        for packet, parameters in _parameters(seen, side):
            wrong = [f"{name} is {value}" for name, value in _out_of_range(parameters)]
            wrong += [f"{identifier:#x} is there twice" for identifier in parameters.repeated]
            if wrong:
                yield Violation(", ".join(wrong), packet)
            else:
                yield Held(packet)


@requirement(Level.MUST, "RFC 9000, 18.2")
def client_sends_no_parameters_of_servers(seen: Observation) -> Iterator[Finding]:
    """A client sends no transport parameter that is a server's."""
    for packet, parameters in _parameters(seen, Side.CLIENT):
        wrong = [name for name in _OF_SERVERS if getattr(parameters, name) is not None]
        wrong += ["preferred_address"] if parameters.has_preferred_address else []
        if wrong:
            yield Violation(f"it has {', '.join(dict.fromkeys(wrong))}", packet)
        else:
            yield Held(packet)


@requirement(Level.MUST, "RFC 9001, 4.6.1")
def tickets_allow_all_early_data_or_none(seen: Observation) -> Iterator[Finding]:
    """The max_early_data_size of a session ticket is 0xffffffff, where it has one."""
    for packet, ticket in messages(sent(seen.trace, Side.SERVER), NewSessionTicket):
        if ticket.max_early_data_size in (None, EARLY_DATA_BYTES):
            yield Held(packet)
        else:
            yield Violation(f"it is {ticket.max_early_data_size:#x}", packet)


@requirement(Level.MUST, "RFC 9001, 4.4")
def server_requests_no_late_certificate(seen: Observation) -> Iterator[Finding]:
    """A server sends no CertificateRequest after the handshake."""
    for packet, message in messages(
        sent(seen.trace, Side.SERVER, PacketType.ONE_RTT), OtherTlsMessage, NewSessionTicket
    ):
        kind = message.handshake_type if isinstance(message, OtherTlsMessage) else None
        if kind == CERTIFICATE_REQUEST:
            yield Violation("it has a CertificateRequest", packet)
        else:
            yield Held(packet)


@requirement(Level.MUST, "RFC 9000, 7.4.1")
def remembered_limits_are_not_reduced(seen: Observation) -> Iterator[Finding]:
    """A server that accepts 0-RTT lowers no limit that the client remembers."""
    remembered: TransportParameters | None = None
    for packet, message in messages(sent(seen.trace, Side.SERVER), EncryptedExtensions):
        now = message.transport_parameters
        if remembered is not None and message.accepts_early_data:
            lowered = [
                f"{name} from {before} to {after}"
                for name in _REMEMBERED
                if (after := getattr(now, name) or 0) < (before := getattr(remembered, name) or 0)
            ]
            if lowered:
                yield Violation(f"it lowers {', '.join(lowered)}", packet)
            else:
                yield Held(packet)
        remembered = now


@requirement(Level.MUST, "RFC 9114, 3.2")
def client_names_the_server(seen: Observation) -> Iterator[Finding]:
    """A client of HTTP/3 sends the server_name extension."""
    for packet, hello in _hellos(seen):
        if "h3" not in hello.alpn:
            continue
        if hello.server_name:
            yield Held(packet)
        else:
            yield Violation("it has none", packet)


@requirement(Level.MUST, "RFC 9114, 6.2")
def three_unidirectional_streams_are_permitted(seen: Observation) -> Iterator[Finding]:
    """An endpoint that speaks HTTP/3 permits the peer three unidirectional streams or more."""
    spoken = {
        packet.connection
        for packet, message in messages(sent(seen.trace, Side.SERVER), EncryptedExtensions)
        if message.alpn == "h3"
    }
    permitted = _parameters(seen, Side.SERVER)
    offered = (
        (packet, hello.transport_parameters)
        for packet, hello in _hellos(seen)
        if hello.alpn == ("h3",)
    )
    for packet, parameters in (
        *(one for one in permitted if one[0].connection in spoken),
        *offered,
    ):
        streams = parameters.initial_max_streams_uni or 0
        if streams >= 3:
            yield Held(packet)
        else:
            yield Violation(f"initial_max_streams_uni is {streams}", packet)


def _hellos(seen: Observation) -> Iterator[tuple[Packet, ClientHello]]:
    yield from messages(sent(seen.trace, Side.CLIENT, PacketType.INITIAL), ClientHello)


def _parameters(seen: Observation, side: Side) -> Iterator[tuple[Packet, TransportParameters]]:
    for packet, message in _first_messages(seen, side):
        if QUIC_TRANSPORT_PARAMETERS in message.extensions:
            yield packet, message.transport_parameters


def _has_extension(seen: Observation, side: Side, kind: int) -> Iterator[Finding]:
    for packet, message in _first_messages(seen, side):
        if kind in message.extensions:
            yield Held(packet)
        else:
            yield Violation(f"it has no extension {kind}", packet)


def _first_messages(
    seen: Observation, side: Side
) -> Iterator[tuple[Packet, ClientHello | EncryptedExtensions]]:
    """The messages of a side that have transport parameters."""
    for packet in readable(sent(seen.trace, side)):
        for message in packet.tls:
            if isinstance(message, ClientHello | EncryptedExtensions):
                yield packet, message


def _out_of_range(parameters: TransportParameters) -> Iterator[tuple[str, int]]:
    for name, (least, most) in _RANGES.items():
        value = getattr(parameters, name)
        if value is not None and (value < least or (most is not None and value > most)):
            yield name, value


def _is_grease(version: int) -> bool:
    """RFC 8701, 2; and drafts of TLS 1.3, which are no older version."""
    return version & 0x0F0F == 0x0A0A or version >> 8 == _DRAFTS
