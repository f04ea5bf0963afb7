"""Builds a capture from tshark's records: its datagrams, packets, frames and TLS messages."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from quicmatrix.runner.network.topology import CLIENT_NETWORKS, SERVER_NETWORKS
from quicmatrix.runner.trace.coalescing import may_be_packet
from quicmatrix.runner.trace.connections import Connection, Connections, Opened
from quicmatrix.runner.trace.fate import parse_fate
from quicmatrix.runner.trace.frames import parse_payload
from quicmatrix.runner.trace.headers import Header, parse_header
from quicmatrix.runner.trace.key_log import Secrets
from quicmatrix.runner.trace.model import (
    Address,
    Capture,
    Datagram,
    Packet,
    PacketType,
    Path,
    Side,
    announces_grease,
)
from quicmatrix.runner.trace.reader import MalformedError
from quicmatrix.runner.trace.retry_tag import is_valid
from quicmatrix.runner.trace.tap_records import (
    DatagramRecord,
    EndRecord,
    FailureRecord,
    PacketRecord,
    Record,
    TrailingBytesRecord,
    UnexpectedRecordError,
    VersionRecord,
)

_NETWORKS = tuple(
    (ipaddress.ip_network(network), side)
    for side, networks in ((Side.CLIENT, CLIENT_NETWORKS), (Side.SERVER, SERVER_NETWORKS))
    for network in networks
)


HTTP3_STREAM_BYTES = 1 << 14
"""Bytes that are kept of each stream in HTTP/3: its control streams and fields are whole."""
MAX_EARLY = 4096
"""Packets that are kept until their keys are known, at most."""


class TooManyPacketsError(Exception):
    """The capture holds more packets than the limit."""


@dataclass(frozen=True, slots=True)
class _Host:
    name: str
    """Its address in canonical form."""
    side: Side | None
    """None if it is neither the client's nor the server's."""


class Assembly:
    """A capture that is built record by record; :meth:`capture` works at any time.

    Args:
        side: Which capture it is.
        max_packets: The limit of packets in it.
        secrets: The TLS secrets in it.
    """

    def __init__(self, side: Side, max_packets: int, secrets: Secrets) -> None:
        self.tshark = ""
        """tshark's version; empty as long as it is unknown."""
        self.complete = False
        """Whether the last record was added."""
        self._side = side
        self._max_packets = max_packets
        self._datagrams: list[Datagram] = []
        self._packets: list[Packet] = []
        self._early: deque[tuple[int, PacketRecord]] = deque(maxlen=MAX_EARLY)
        """Packets that came before the end of their ClientHello, by their place."""
        self._records = 0
        self._start: float | None = None
        self._damage = ""
        self._current: Datagram | None = None
        self._first: Header | None = None
        """The header of the first packet in the current datagram."""
        self._authenticated: Connection | None = None
        """The connection of a packet in the current datagram that was decrypted."""
        self._greased: set[Side] = set()
        """The sides that offered grease_quic_bit."""
        self._hosts: dict[str, _Host] = {}
        self._connections = Connections(secrets)
        self._odcids: dict[bytes, dict[bytes, None]] = {}

    def capture(self, damage: str = "") -> Capture:
        """The capture so far.

        Args:
            damage: Why it cannot be trusted, in addition to what was found here.
        """
        damage = damage or self._damage
        packets = tuple(self._associated())
        return Capture(self._side, tuple(self._datagrams), packets, damage)

    def _associated(self) -> Iterator[Packet]:
        """All packets, marked where no connection can have them.

        That is known only if all connection IDs are that the receiver issued.
        """
        hidden = {
            packet.sender
            for packet in self._packets
            if packet.unread or not (packet.decrypted or _is_unassociated(packet))
        }
        known = {side for side in Side if not self._connections.without_cid(side)} - hidden
        for packet in self._packets:
            if packet.sender.peer in known and _is_unassociated(packet):
                yield replace(packet, unassociated=True)
            else:
                yield packet

    def add(self, record: Record) -> None:
        """Add the next record.

        Raises:
            UnexpectedRecordError: It is out of order or invalid.
            TooManyPacketsError: It is a packet beyond the limit.
        """
        if isinstance(record, PacketRecord):
            self._packet(record)
        elif isinstance(record, TrailingBytesRecord):
            self._trailing_bytes(record.data)
        elif isinstance(record, DatagramRecord):
            self._records += 1
            self._datagram(record)
        elif isinstance(record, VersionRecord):
            self.tshark = record.tshark
        elif isinstance(record, FailureRecord):
            self._damage = self._damage or f"frame {record.frame_number}: {record.message}"
        else:
            self._end(record)

    def _end(self, record: EndRecord) -> None:
        if record.datagrams != self._records:
            raise UnexpectedRecordError(
                f"{record.datagrams} datagrams, but {self._records} were printed"
            )
        self.complete = True

    def _datagram(self, record: DatagramRecord) -> None:
        self._first = self._authenticated = None
        source, destination = self._host(record.source), self._host(record.destination)
        if {source.side, destination.side} != set(Side):
            self._current = None
            return
        if self._start is None:
            self._start = record.time
        if record.cut_off and not self._damage:
            self._damage = f"frame {record.frame_number} was not captured whole"
        ends = (
            Address(source.name, record.source_port),
            Address(destination.name, record.destination_port),
        )
        self._current = Datagram(
            capture=self._side,
            frame_number=record.frame_number,
            time=round(record.time - self._start, 9),
            sender=Side.CLIENT if source.side is Side.CLIENT else Side.SERVER,
            path=Path(*(ends if source.side is Side.CLIENT else reversed(ends))),
            ecn=record.ecn,
            size=record.size,
            fate=parse_fate(record.comment),
            fragments=record.fragments,
            digest=hashlib.sha256(record.payload).hexdigest()[:16] if record.payload else "",
        )
        self._datagrams.append(self._current)

    def _host(self, text: str) -> _Host:
        if text not in self._hosts:
            try:
                address = ipaddress.ip_address(text)
            except ValueError as error:
                raise UnexpectedRecordError(f"{text[:80]!r} is not an IP address") from error
            sides = [side for network, side in _NETWORKS if address in network]
            self._hosts[text] = _Host(str(address), sides[0] if sides else None)
        return self._hosts[text]

    def _packet(self, record: PacketRecord, *, trailing: bool = False) -> bool:
        """Add a packet; False if it is none.

        Args:
            record: The packet.
            trailing: Whether tshark took it for none.
        """
        datagram = self._current
        if datagram is None:
            return False
        dcid_length = record.dcid_length
        if self._first is not None and record.plaintext is None:
            dcid_length = len(self._first.dcid)
        try:
            header = parse_header(record.data, dcid_length)
        except MalformedError:
            return False
        if header.packet_number_offset is None and self._first is None and not trailing:
            packet = self._unprotected(datagram, record, header)
        elif decrypted := self._decrypted(datagram, record, header):
            packet = self._authentic(datagram, record.size, decrypted)
        elif opened := self._connections.open(datagram.sender, datagram.path, record.data):
            self._connections.remember(record.connection, opened.connection)
            packet = self._authentic(datagram, record.size, opened)
        else:
            undecrypted = self._undecrypted(datagram, record, header, trailing=trailing)
            if undecrypted is None:
                return False
            packet = undecrypted
        self._first = self._first or header
        self._append(packet)
        return True

    def _decrypted(self, datagram: Datagram, record: PacketRecord, header: Header) -> Opened | None:
        """The packet, if tshark decrypted it."""
        if record.plaintext is None or record.number is None:
            return None
        sender, number, key_phase = datagram.sender, record.number, record.key_phase
        connection = self._connections.numbered(record.connection, sender, datagram.path, header)
        generation = None
        if key_phase is not None:
            generation = self._connections.generation(connection, sender, number, key_phase)
        return Opened(
            connection,
            header,
            number,
            key_phase,
            record.payload_size,
            record.plaintext,
            generation,
        )

    def _undecrypted(
        self, datagram: Datagram, record: PacketRecord, header: Header, *, trailing: bool
    ) -> Packet | None:
        """The packet that bytes without known keys are; None if they are none."""
        if self._first is None:
            if reset := self._reset(datagram, record, header):
                return reset
            if trailing:
                return None
        elif not self._is_packet(datagram, record, header):
            return None
        connection = self._connection(datagram, record, header)
        if connection is None and header.type is PacketType.ONE_RTT:
            found = self._connections.associated(datagram.sender, datagram.path, record.data)
            header, connection = found or (header, None)
        if connection is None or not connection.random:
            self._early.append((len(self._packets), record))
        return self._encrypted(datagram, record, header, connection)

    def _is_packet(self, datagram: Datagram, record: PacketRecord, header: Header) -> bool:
        """Whether bytes behind a packet that could not be decrypted are another packet."""
        first = self._first
        assert first is not None
        if header.type is PacketType.ONE_RTT:
            # Coalesced packets are of one connection (RFC 9000, 12.2).
            connection = self._connection(datagram, record, header) or self._authenticated
            if self._connections.has_secret(connection, datagram.sender, header.type):
                return False
        greased = datagram.sender.peer in self._greased
        return may_be_packet(record.data, header, first, greased=greased)

    def _decrypt_early(self) -> None:
        """Try early packets again, now that another ClientHello is known."""
        early = list(self._early)
        self._early.clear()
        for place, record in early:
            packet = self._packets[place]
            datagram = packet.datagram
            opened = self._connections.open(datagram.sender, datagram.path, record.data)
            if opened is not None:
                self._packets[place] = self._authentic(datagram, record.size, opened)
                continue
            header = parse_header(record.data, len(packet.dcid))
            connection = self._connection(datagram, record, header)
            if connection is not None:
                self._packets[place] = replace(packet, connection=connection.number)
            if connection is None or not connection.random:
                self._early.append((place, record))

    def _trailing_bytes(self, data: bytes) -> None:
        """Look for packets in bytes that tshark took for none; anything else is padding."""
        datagram = self._current
        while datagram is not None and data.strip(b"\0"):
            size = len(data)
            with contextlib.suppress(MalformedError):
                size = parse_header(data, 0).size or size
            packet, data = data[:size], data[size:]
            record = PacketRecord(len(packet), None, 0, None, None, 0, packet, None)
            if not self._packet(record, trailing=True):
                return

    def _append(self, packet: Packet) -> None:
        if len(self._packets) >= self._max_packets:
            raise TooManyPacketsError(f"it holds more than {self._max_packets} packets")
        self._packets.append(packet)

    def _authentic(self, datagram: Datagram, size: int, opened: Opened) -> Packet:
        header = opened.header
        self._authenticated = opened.connection
        stream_bytes = HTTP3_STREAM_BYTES if opened.connection.offers_h3 else 0
        payload = parse_payload(opened.plaintext, stream_bytes)
        client_random = opened.connection.random
        messages = self._connections.add_packet(
            datagram.sender, datagram.path, opened, payload.frames
        )
        if opened.connection.random != client_random:
            self._decrypt_early()
        self._greased.update(datagram.sender for message in messages if announces_grease(message))
        if header.type is PacketType.INITIAL and datagram.sender is Side.CLIENT:
            self._remember_odcid(header)
        return Packet(
            datagram=datagram,
            type=header.type,
            version=header.version,
            dcid=header.dcid,
            scid=header.scid,
            size=size,
            fixed_bit=header.fixed_bit,
            payload_size=opened.payload_size,
            number=opened.number,
            key_phase=opened.key_phase,
            key_generation=opened.key_generation,
            keys_cid=opened.keys_cid,
            connection=opened.connection.number,
            token=header.token,
            padding=payload.padding,
            unread=payload.unread,
            frames=payload.frames,
            tls=messages,
        )

    def _reset(self, datagram: Datagram, record: PacketRecord, header: Header) -> Packet | None:
        """The stateless reset that a datagram is; None if it is none."""
        connection = None
        if header.type is PacketType.ONE_RTT and record.size == datagram.size:
            connection = self._connections.reset(datagram.sender, record.data)
        if connection is None:
            return None
        return Packet(
            datagram=datagram,
            type=PacketType.STATELESS_RESET,
            version=None,
            dcid=b"",
            scid=None,
            size=record.size,
            connection=connection.number,
        )

    def _encrypted(
        self,
        datagram: Datagram,
        record: PacketRecord,
        header: Header,
        connection: Connection | None,
    ) -> Packet:
        if header.type is PacketType.INITIAL and datagram.sender is Side.CLIENT:
            self._remember_odcid(header)
        return Packet(
            datagram=datagram,
            type=header.type,
            version=header.version,
            dcid=header.dcid,
            scid=header.scid,
            size=record.size,
            fixed_bit=header.fixed_bit,
            payload_size=record.payload_size,
            connection=None if connection is None else connection.number,
            token=header.token,
            decrypted=False,
        )

    def _unprotected(self, datagram: Datagram, record: PacketRecord, header: Header) -> Packet:
        """A Retry or a Version Negotiation: the client will start its handshake again."""
        connection = self._connection(datagram, record, header)
        if connection is not None:
            self._connections.restart_handshake(connection)
        valid = None
        if header.type is PacketType.RETRY and header.version is not None:
            odcids = self._odcids.get(header.dcid, ())
            valid = is_valid(header.version, record.data, odcids)
            if connection is not None and valid is not False:
                self._connections.retry(connection, header.scid or b"")
        return Packet(
            datagram=datagram,
            type=header.type,
            version=header.version,
            dcid=header.dcid,
            scid=header.scid,
            size=record.size,
            fixed_bit=header.fixed_bit,
            connection=None if connection is None else connection.number,
            token=header.token,
            retry_integrity_valid=valid,
            supported_versions=header.supported_versions,
        )

    def _connection(
        self, datagram: Datagram, record: PacketRecord, header: Header
    ) -> Connection | None:
        found = self._connections.find(datagram.sender, datagram.path, header)
        return found or self._connections.known(record.connection)

    def _remember_odcid(self, header: Header) -> None:
        assert header.scid is not None
        self._odcids.setdefault(header.scid, {})[header.dcid] = None


def _is_unassociated(packet: Packet) -> bool:
    """Whether its connection is unknown, as is that of a 1-RTT packet with a wrong DCID."""
    one_rtt = packet.type is PacketType.ONE_RTT
    return one_rtt and not packet.decrypted and packet.connection is None
