"""The connections of a capture, and decryption of packets that tshark failed to decrypt.

tshark 4.0 changes keys on any packet whose key phase differs, before it knows that the packet is
authentic: after one late or corrupted packet, the rest of the connection stays encrypted. All its
versions take connection IDs from corrupted packets. So packets that tshark did not decrypt are
tried again here, with state that is taken from authentic packets only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from quicmatrix.runner.trace import key_log
from quicmatrix.runner.trace.crypto_stream import CryptoStream
from quicmatrix.runner.trace.headers import Header, parse_header
from quicmatrix.runner.trace.key_log import Secrets
from quicmatrix.runner.trace.model import (
    VERSION_1,
    ClientHello,
    Crypto,
    EncryptedExtensions,
    Frame,
    NewConnectionId,
    PacketType,
    Path,
    Side,
    TlsMessage,
    TransportParameters,
)
from quicmatrix.runner.trace.protection import SUITES, Keys, Suite, full_number, initial_keys
from quicmatrix.runner.trace.reader import MalformedError
from quicmatrix.runner.trace.tls import client_random

RESET_TOKEN_SIZE = 16
SMALLEST_RESET = 21
"""Bytes of the smallest stateless reset (RFC 9000, 10.3)."""

_SPACES = {
    PacketType.INITIAL: 0,
    PacketType.HANDSHAKE: 1,
    PacketType.ZERO_RTT: 2,
    PacketType.ONE_RTT: 2,
}
"""Packet number spaces (RFC 9000, 12.3)."""


@dataclass(slots=True)
class Connection:
    """The state of a connection, from its authentic packets."""

    number: int
    version: int = VERSION_1
    random: bytes = b""
    """The Random of its ClientHello, which identifies its secrets in the key log."""
    offers_h3: bool = False
    """Whether the client's ALPN extension has HTTP/3 (RFC 9114, 3.1)."""
    suite: Suite | None = None
    odcids: dict[bytes, None] = field(default_factory=dict)
    """The Destination Connection IDs that Initial keys were derived from; a Retry adds one."""
    streams: dict[tuple[Side, PacketType], CryptoStream] = field(default_factory=dict)
    highest: dict[tuple[Side, int], int] = field(default_factory=dict)
    """The highest packet number of each side and space."""
    generation: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    """How often each side has updated its keys."""
    updated: dict[tuple[bytes, Suite, int], list[Keys]] = field(default_factory=dict)
    """1-RTT keys by generation, for the first secret, a suite and a version."""
    without_cid: set[Side] = field(default_factory=set)
    """The sides that chose connection IDs of length 0."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A packet that was decrypted."""

    connection: Connection
    header: Header
    number: int
    key_phase: int | None
    payload_size: int
    plaintext: bytes
    key_generation: int | None = None
    keys_cid: bytes | None = None


class Connections:
    """All connections of a capture.

    Args:
        secrets: The TLS secrets that were captured with them.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._count = 0
        self._numbered: dict[int, Connection] = {}
        self._cids: dict[Side, dict[bytes, Connection]] = {side: {} for side in Side}
        self._odcids: dict[bytes, Connection] = {}
        self._tokens: dict[Side, dict[bytes, Connection]] = {side: {} for side in Side}
        """The stateless reset tokens that each side issued."""
        self._paths: dict[tuple[Path, Side], Connection] = {}
        """The connection of packets without a connection ID, by path and receiver."""

    def known(self, number: int | None) -> Connection | None:
        """The connection with this number in tshark, if it had an authentic packet."""
        return None if number is None else self._numbered.get(number)

    def remember(self, number: int | None, connection: Connection) -> None:
        """Take tshark's number for a connection that an authentic packet belongs to."""
        if number is not None:
            self._numbered[number] = connection

    def numbered(self, number: int | None, sender: Side, path: Path, header: Header) -> Connection:
        """The connection of a packet that tshark decrypted, by tshark's number or the header."""
        connection = self.known(number) or self.find(sender, path, header) or self._new()
        self.remember(number, connection)
        return connection

    def find(self, sender: Side, path: Path, header: Header) -> Connection | None:
        """The connection that a packet's header points to."""
        if not header.dcid:
            return self._paths.get((path, sender.peer))
        found = self._cids[sender.peer].get(header.dcid)
        if found is None and sender is Side.CLIENT and header.scid is not None:
            found = self._odcids.get(header.dcid) or self._cids[sender].get(header.scid)
        return found

    def add_packet(
        self, sender: Side, path: Path, packet: Opened, frames: tuple[Frame, ...]
    ) -> tuple[TlsMessage, ...]:
        """Update the state with an authentic packet; returns the TLS messages in it."""
        connection, header = packet.connection, packet.header
        space = (sender, _SPACES[header.type])
        if packet.number > connection.highest.get(space, -1):
            connection.highest[space] = packet.number
        if packet.key_generation is not None:
            connection.generation[sender] = max(
                connection.generation[sender], packet.key_generation
            )
        if header.version is not None:
            self._add_header(connection, sender, header)
        for side in connection.without_cid:
            self._paths[path, side] = connection
        for frame in frames:
            if isinstance(frame, NewConnectionId):
                self._cids[sender][frame.connection_id] = connection
                self._tokens[sender][frame.stateless_reset_token] = connection
        crypto = [frame for frame in frames if isinstance(frame, Crypto)]
        return self._add_crypto(connection, sender, header, crypto) if crypto else ()

    def associated(
        self, sender: Side, path: Path, packet: bytes
    ) -> tuple[Header, Connection] | None:
        """The connection of a packet that cannot be decrypted, with the header parsed for it."""
        return next(self._addressed(sender, path, packet), None)

    def reset(self, sender: Side, datagram: bytes) -> Connection | None:
        """The connection that a datagram resets; None if it is no stateless reset.

        The datagram ends with a token that its sender issued (RFC 9000, 10.3.1).
        """
        if len(datagram) < SMALLEST_RESET:
            return None
        return self._tokens[sender].get(datagram[-RESET_TOKEN_SIZE:])

    def without_cid(self, side: Side) -> bool:
        """Whether a side chose an empty connection ID in any connection."""
        return any(receiver is side for _, receiver in self._paths)

    def has_secret(self, connection: Connection | None, sender: Side, kind: PacketType) -> bool:
        """Whether the secret of a side's Handshake, 0-RTT or 1-RTT packets is known."""
        return connection is not None and bool(self._secrets_of(connection, sender, kind))

    def generation(self, connection: Connection, sender: Side, number: int, key_phase: int) -> int:
        """Which keys tshark decrypted a 1-RTT packet with: those next to the current ones.

        All packets after a key update have higher numbers than any before (RFC 9001, 6.4).
        """
        current = connection.generation[sender]
        if current % 2 == key_phase:
            return current
        space = (sender, _SPACES[PacketType.ONE_RTT])
        is_new = current == 0 or number > connection.highest.get(space, -1)
        return current + 1 if is_new else current - 1

    def restart_handshake(self, connection: Connection) -> None:
        """Expect a new ClientHello, as after a Retry or a Version Negotiation."""
        connection.streams.pop((Side.CLIENT, PacketType.INITIAL), None)

    def retry(self, connection: Connection, scid: bytes) -> None:
        """Expect Initial packets to and with keys from a Retry's Source Connection ID."""
        connection.odcids[scid] = None
        self._odcids[scid] = self._cids[Side.SERVER][scid] = connection

    def open(self, sender: Side, path: Path, packet: bytes) -> Opened | None:
        """Decrypt a whole packet; None if that cannot be done."""
        for header, connection in self._addressed(sender, path, packet):
            assert header.packet_number_offset is not None
            for keys, origin in self._keys(connection, sender, header):
                opened = self._try(connection, sender, header, keys, packet)
                if opened is not None:
                    if header.type in (PacketType.HANDSHAKE, PacketType.ONE_RTT):
                        connection.suite = keys.suite
                    if isinstance(origin, bytes):
                        opened = replace(opened, keys_cid=origin)
                    else:
                        opened = replace(opened, key_generation=origin)
                    if connection.number == self._count:
                        self._count += 1
                    return opened
        return None

    def _new(self) -> Connection:
        self._count += 1
        return Connection(self._count - 1)

    def _add_header(self, connection: Connection, sender: Side, header: Header) -> None:
        assert header.version is not None
        assert header.scid is not None
        if sender is Side.SERVER:
            connection.version = header.version
        elif header.type is PacketType.INITIAL and header.dcid not in self._cids[Side.SERVER]:
            connection.odcids[header.dcid] = None
            self._odcids[header.dcid] = connection
        if header.scid:
            self._cids[sender][header.scid] = connection
        else:
            connection.without_cid.add(sender)

    def _add_crypto(
        self, connection: Connection, sender: Side, header: Header, crypto: list[Crypto]
    ) -> tuple[TlsMessage, ...]:
        stream = connection.streams.setdefault((sender, header.type), CryptoStream())
        messages = stream.add(crypto)
        for message in messages:
            if isinstance(message, EncryptedExtensions):
                self._add_parameters(connection, message.transport_parameters)
            elif isinstance(message, ClientHello):
                connection.offers_h3 = "h3" in message.alpn
        if (sender, header.type) == (Side.CLIENT, PacketType.INITIAL):
            connection.random = client_random(stream.first_message) or connection.random
        return messages

    def _add_parameters(self, connection: Connection, parameters: TransportParameters) -> None:
        """Take the server's transport parameters."""
        if parameters.stateless_reset_token is not None:
            self._tokens[Side.SERVER][parameters.stateless_reset_token] = connection
        if (preferred := parameters.preferred_address) is not None:
            self._cids[Side.SERVER][preferred.connection_id] = connection
            self._tokens[Side.SERVER][preferred.stateless_reset_token] = connection

    def _addressed(
        self, sender: Side, path: Path, packet: bytes
    ) -> Iterator[tuple[Header, Connection]]:
        """The connections that a packet may belong to, each with the header parsed for it."""
        try:
            header = parse_header(packet, 0)
            if header.packet_number_offset is None:
                return
            if header.type is not PacketType.ONE_RTT:
                found = self.find(sender, path, header)
                if found is None and header.type is PacketType.INITIAL and sender is Side.CLIENT:
                    found = Connection(self._count)  # counted once the packet is authentic
                if found is not None:
                    yield header, found
                return
            lengths = {len(cid) for cid in self._cids[sender.peer]}
            for length in (*sorted(lengths, reverse=True), 0):
                header = parse_header(packet, length)
                found = self.find(sender, path, header)
                if found is not None:
                    yield header, found
        except MalformedError:
            return

    def _keys(
        self, connection: Connection, sender: Side, header: Header
    ) -> Iterator[tuple[Keys, bytes | int | None]]:
        """The keys that may have protected a packet, most likely first.

        With them comes, for an Initial, the connection ID that they derive from; for a 1-RTT
        packet, their generation.
        """
        version = connection.version if header.version is None else header.version
        if header.type is PacketType.INITIAL:
            own = (header.dcid,) if sender is Side.CLIENT else ()
            for odcid in {**connection.odcids, **dict.fromkeys(own)}:
                yield initial_keys(odcid, sender, version), odcid
            return
        known = None if header.type is PacketType.ZERO_RTT else connection.suite
        for secret in self._secrets_of(connection, sender, header.type):
            for suite in SUITES if known is None else (known,):
                if suite.hash.digest_size != len(secret):
                    continue
                keys = Keys.of(secret, suite, version)
                if header.type is PacketType.ONE_RTT:
                    yield from self._generations(connection, sender, keys)
                else:
                    yield keys, None

    def _secrets_of(
        self, connection: Connection, sender: Side, kind: PacketType
    ) -> Sequence[bytes]:
        index = 0 if sender is Side.CLIENT else 1
        labels = {
            PacketType.ZERO_RTT: key_log.EARLY,
            PacketType.HANDSHAKE: key_log.HANDSHAKE[index],
            PacketType.ONE_RTT: key_log.APPLICATION[index],
        }
        return self._secrets.get(connection.random, {}).get(labels[kind], ())

    def _generations(
        self, connection: Connection, sender: Side, first: Keys
    ) -> Iterator[tuple[Keys, int]]:
        """The current 1-RTT keys, and those beside them (RFC 9001, 6.5)."""
        known = connection.updated.setdefault((first.secret, first.suite, first.version), [first])
        current = connection.generation[sender]
        for generation in (current, current + 1, current - 1):
            while len(known) <= generation:
                known.append(known[-1].updated())
            if generation >= 0:
                yield known[generation], generation

    def _try(
        self, connection: Connection, sender: Side, header: Header, keys: Keys, packet: bytes
    ) -> Opened | None:
        assert header.packet_number_offset is not None
        clear = keys.unprotect(packet, header.packet_number_offset)
        if clear is None:
            return None
        highest = connection.highest.get((sender, _SPACES[header.type]), -1)
        number = full_number(clear.truncated_number, clear.number_size, highest + 1)
        plaintext = keys.decrypt(clear, packet, number)
        if plaintext is None:
            return None
        size = len(packet) - len(clear.data)
        return Opened(connection, header, number, clear.key_phase, size, plaintext)
