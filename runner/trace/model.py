"""The captured traffic as frozen values, which all checks are written with.

A :class:`Trace` holds two captures of the same traffic. The *left* one was taken at the client's
side of the middlebox, the *right* one at the server's side, so a datagram that the link dropped is
in one of them only. A capture is a sequence of datagrams; a datagram carries one or more coalesced
QUIC packets; a packet carries frames and, once a TLS message is complete in it, TLS messages.

Nothing here reads files, knows tshark or judges. Names are the RFCs'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

VERSION_1 = 0x00000001
VERSION_2 = 0x6B3343CF


class Side(StrEnum):
    """One of the two hosts; of a capture, the host that it was taken next to."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def peer(self) -> Side:
        """The other side."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class PacketType(StrEnum):
    """RFC 9000, 17.2 and 17.3."""

    INITIAL = "Initial"
    ZERO_RTT = "0-RTT"
    HANDSHAKE = "Handshake"
    RETRY = "Retry"
    VERSION_NEGOTIATION = "Version Negotiation"
    ONE_RTT = "1-RTT"
    STATELESS_RESET = "Stateless Reset"
    """RFC 9000, 10.3: looks like a 1-RTT packet, but ends with a token that its sender issued."""


class Ecn(Enum):
    """The ECN field of the IP header (RFC 3168, 5)."""

    NOT_ECT = 0
    ECT_1 = 1
    ECT_0 = 2
    CE = 3


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address in its canonical text form, and a UDP port."""

    host: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        """Whether this is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Path:
    """The two addresses of a datagram, whichever of them sent it (RFC 9000, 9)."""

    client: Address
    server: Address

    def __str__(self) -> str:
        return f"{self.client} - {self.server}"


@dataclass(frozen=True, slots=True)
class Fate:
    """What the middlebox did with a datagram: delivered it, dropped it or delivered it again."""

    number: int
    """It is the n-th UDP datagram of its direction, from 1; the same in both captures."""
    dropped: str = ""
    """Why it was dropped, e.g. ``queue full``; empty if it was delivered."""
    delay_ms: float | None = None
    """From its arrival at the middlebox to its departure; None if it was dropped."""
    change: str = ""
    """What was changed in it, e.g. its source address; empty if nothing was."""
    duplicate: bool = False
    """Whether the same datagram was delivered before."""

    @property
    def corrupted(self) -> bool:
        """Whether a byte of its payload was changed."""
        return self.change.startswith("byte ")


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram in one capture."""

    capture: Side
    """Which capture it is from: CLIENT is the left one, SERVER the right one."""
    frame_number: int
    """Its 1-based number in that capture, as Wireshark shows it."""
    time: float
    """Seconds since the first datagram of the capture."""
    sender: Side
    path: Path
    ecn: Ecn
    size: int
    """Bytes of UDP payload."""
    fate: Fate | None = None
    """What the middlebox did with it; None if the capture does not say."""
    fragments: int = 1
    """IP packets that carry it; all but one are before its frame number."""
    digest: str = field(default="", repr=False)
    """The first 16 hexadecimal digits of the SHA-256 of its UDP payload, by which a tester's log
    names it; empty where no tester took part."""


# --- Frames (RFC 9000, 19) ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ping:
    """RFC 9000, 19.2."""


@dataclass(frozen=True, slots=True)
class EcnCounts:
    """The cumulative counts in an ACK frame of type 0x03."""

    ect_0: int
    ect_1: int
    ce: int


@dataclass(frozen=True, slots=True)
class Ack:
    """RFC 9000, 19.3."""

    largest: int
    delay: int
    """As encoded: microseconds, shifted right by the sender's ack_delay_exponent."""
    ranges: tuple[tuple[int, int], ...]
    """Acknowledged packet numbers, both ends included, highest range first."""
    ecn: EcnCounts | None = None


@dataclass(frozen=True, slots=True)
class ResetStream:
    """RFC 9000, 19.4."""

    stream_id: int
    error_code: int
    final_size: int


@dataclass(frozen=True, slots=True)
class StopSending:
    """RFC 9000, 19.5."""

    stream_id: int
    error_code: int


@dataclass(frozen=True, slots=True)
class Crypto:
    """RFC 9000, 19.6."""

    offset: int
    length: int
    data: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class NewToken:
    """RFC 9000, 19.7."""

    token: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """RFC 9000, 19.8."""

    stream_id: int
    offset: int
    length: int
    fin: bool
    data: bytes = field(repr=False, default=b"")
    """The first bytes: 16 at most, or in HTTP/3 all that are in the stream's first 16 KiB."""


@dataclass(frozen=True, slots=True)
class MaxData:
    """RFC 9000, 19.9."""

    maximum: int


@dataclass(frozen=True, slots=True)
class MaxStreamData:
    """RFC 9000, 19.10."""

    stream_id: int
    maximum: int


@dataclass(frozen=True, slots=True)
class MaxStreams:
    """RFC 9000, 19.11."""

    maximum: int
    bidirectional: bool


@dataclass(frozen=True, slots=True)
class DataBlocked:
    """RFC 9000, 19.12."""

    maximum: int


@dataclass(frozen=True, slots=True)
class StreamDataBlocked:
    """RFC 9000, 19.13."""

    stream_id: int
    maximum: int


@dataclass(frozen=True, slots=True)
class StreamsBlocked:
    """RFC 9000, 19.14."""

    maximum: int
    bidirectional: bool


@dataclass(frozen=True, slots=True)
class NewConnectionId:
    """RFC 9000, 19.15."""

    sequence: int
    retire_prior_to: int
    connection_id: bytes
    stateless_reset_token: bytes


@dataclass(frozen=True, slots=True)
class RetireConnectionId:
    """RFC 9000, 19.16."""

    sequence: int


@dataclass(frozen=True, slots=True)
class PathChallenge:
    """RFC 9000, 19.17."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PathResponse:
    """RFC 9000, 19.18."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ConnectionClose:
    """RFC 9000, 19.19. ``frame_type`` is None in the application's variant (0x1d)."""

    error_code: int
    frame_type: int | None
    reason: str
    application: bool


@dataclass(frozen=True, slots=True)
class HandshakeDone:
    """RFC 9000, 19.20."""


@dataclass(frozen=True, slots=True)
class DatagramFrame:
    """RFC 9221, 4."""

    length: int


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A frame whose type this trace has no class for."""

    frame_type: int


Frame = (
    Ping
    | Ack
    | ResetStream
    | StopSending
    | Crypto
    | NewToken
    | Stream
    | MaxData
    | MaxStreamData
    | MaxStreams
    | DataBlocked
    | StreamDataBlocked
    | StreamsBlocked
    | NewConnectionId
    | RetireConnectionId
    | PathChallenge
    | PathResponse
    | ConnectionClose
    | HandshakeDone
    | DatagramFrame
    | UnknownFrame
)
"""Every frame but PADDING, which is counted in :attr:`Packet.padding`."""


# --- TLS messages (RFC 8446, 4; RFC 9001, 8) ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionInformation:
    """RFC 9368, 3."""

    chosen: int
    available: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PreferredAddress:
    """RFC 9000, 18.2."""

    connection_id: bytes
    stateless_reset_token: bytes
    addresses: tuple[Address, ...] = ()
    """One of each family that it has."""


@dataclass(frozen=True, slots=True)
class TransportParameters:
    """RFC 9000, 18.2; a parameter that was not sent is None."""

    original_destination_connection_id: bytes | None = None
    max_idle_timeout: int | None = None
    stateless_reset_token: bytes | None = None
    max_udp_payload_size: int | None = None
    initial_max_data: int | None = None
    initial_max_stream_data_bidi_local: int | None = None
    initial_max_stream_data_bidi_remote: int | None = None
    initial_max_stream_data_uni: int | None = None
    initial_max_streams_bidi: int | None = None
    initial_max_streams_uni: int | None = None
    ack_delay_exponent: int | None = None
    max_ack_delay: int | None = None
    disable_active_migration: bool = False
    has_preferred_address: bool = False
    preferred_address: PreferredAddress | None = None
    """None also if it is malformed."""
    active_connection_id_limit: int | None = None
    initial_source_connection_id: bytes | None = None
    retry_source_connection_id: bytes | None = None
    version_information: VersionInformation | None = None
    max_datagram_frame_size: int | None = None
    grease_quic_bit: bool = False
    repeated: tuple[int, ...] = ()
    """Identifiers that are there more than once."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What the client offers (RFC 8446, 4.1.2)."""

    cipher_suites: tuple[int, ...]
    alpn: tuple[str, ...] = ()
    offers_psk: bool = False
    offers_early_data: bool = False
    server_name: str | None = None
    transport_parameters: TransportParameters = TransportParameters()
    extensions: tuple[int, ...] = ()
    """The types of all extensions, in order."""
    supported_versions: tuple[int, ...] = ()
    """Versions of TLS."""
    legacy_session_id: bytes = b""


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What the server chooses (RFC 8446, 4.1.3)."""

    cipher_suite: int
    selects_psk: bool = False
    is_hello_retry_request: bool = False


@dataclass(frozen=True, slots=True)
class EncryptedExtensions:
    """RFC 8446, 4.3.1."""

    alpn: str | None = None
    accepts_early_data: bool = False
    transport_parameters: TransportParameters = TransportParameters()
    extensions: tuple[int, ...] = ()
    """The types of all extensions, in order."""


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """RFC 8446, 4.6.1."""

    max_early_data_size: int | None = None
    """None if the ticket has no early_data extension, so that it permits no 0-RTT data."""


@dataclass(frozen=True, slots=True)
class OtherTlsMessage:
    """A handshake message of which only the type matters, e.g. 11 Certificate, 20 Finished."""

    handshake_type: int


TlsMessage = ClientHello | ServerHello | EncryptedExtensions | NewSessionTicket | OtherTlsMessage


def announces_grease(message: TlsMessage) -> bool:
    """Whether its sender takes packets with a cleared QUIC bit: grease_quic_bit (RFC 9287, 3)."""
    return (
        isinstance(message, ClientHello | EncryptedExtensions)
        and message.transport_parameters.grease_quic_bit
    )


CERTIFICATE = 11
"""The handshake type of Certificate (RFC 8446, 4)."""


# --- Packets and captures ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Packet:
    """One QUIC packet."""

    datagram: Datagram
    """The datagram that carries it; coalesced packets share one (RFC 9000, 12.2)."""
    type: PacketType
    version: int | None
    """None where the header has no version (1-RTT)."""
    dcid: bytes
    scid: bytes | None
    """None where the header has none (1-RTT)."""
    size: int
    """Bytes of the whole packet."""
    fixed_bit: bool = True
    """The QUIC bit: RFC 9000, 17.2 and 17.3.1; RFC 9287."""
    payload_size: int = 0
    """Bytes of the encrypted payload with its tag, as quic-interop-runner counts them."""
    number: int | None = None
    """The full packet number; None if it has none, or header protection could not be removed."""
    key_phase: int | None = None
    """0 or 1 in a 1-RTT packet whose header protection could be removed."""
    key_generation: int | None = None
    """How often the keys of a decrypted 1-RTT packet had been updated (RFC 9001, 6)."""
    keys_cid: bytes | None = None
    """The connection ID that the keys of a decrypted Initial derive from (RFC 9001, 5.2)."""
    connection: int | None = None
    """Which connection of the capture it belongs to, 0-based; None if unknown."""
    unassociated: bool = False
    """Whether it is of no connection in the capture: it looks like a 1-RTT packet, but its receiver
    issued no such Destination Connection ID (RFC 9000, 5.2)."""
    token: bytes = b""
    """Of an Initial or a Retry."""
    retry_integrity_valid: bool | None = None
    """Of a Retry: whether its integrity tag is right (RFC 9001, 5.8); None if unknown."""
    supported_versions: tuple[int, ...] = ()
    """Of a Version Negotiation."""
    decrypted: bool = True
    """False if the payload could not be decrypted; frames and TLS messages are then unknown."""
    padding: int = 0
    """Bytes of PADDING."""
    unread: str = ""
    """Why :attr:`frames` are not all frames of a decrypted packet; empty if they are."""
    frames: tuple[Frame, ...] = ()
    tls: tuple[TlsMessage, ...] = ()
    """The TLS messages whose last byte is in this packet, in order."""

    @property
    def sender(self) -> Side:
        """The side that sent it."""
        return self.datagram.sender

    @property
    def time(self) -> float:
        """Seconds since the first datagram of the capture."""
        return self.datagram.time

    @property
    def path(self) -> Path:
        """The path it was sent on."""
        return self.datagram.path

    def __str__(self) -> str:
        number = "" if self.number is None else f" {self.number}"
        side = "left" if self.datagram.capture is Side.CLIENT else "right"
        return f"{self.type}{number} (frame {self.datagram.frame_number} {side})"


@dataclass(frozen=True, slots=True)
class Capture:
    """One pcapng file, decoded. Datagrams are in the order of the file."""

    side: Side
    datagrams: tuple[Datagram, ...] = ()
    packets: tuple[Packet, ...] = ()
    damage: str = ""
    """Why this capture cannot be trusted, e.g. that it was cut off; empty if it can."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Both captures of one attempt."""

    left: Capture
    right: Capture

    def near(self, side: Side) -> Capture:
        """The capture taken next to that side: all it sent, and what reached it."""
        return self.left if side is Side.CLIENT else self.right
