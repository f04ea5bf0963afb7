"""Records of tshark, put together to a capture: who sent what, in which packet, with which TLS."""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass

from quicmatrix.runner.network.topology import CLIENT_NETWORKS, SERVER_NETWORKS
from quicmatrix.runner.trace.connections import Connection, Connections, Opened
from quicmatrix.runner.trace.fate import parse_fate
from quicmatrix.runner.trace.frames import parse_payload
from quicmatrix.runner.trace.headers import Header, parse_header
from quicmatrix.runner.trace.key_log import Secrets
from quicmatrix.runner.trace.model import Address, Capture, Datagram, Packet, PacketType, Path, Side
from quicmatrix.runner.trace.reader import MalformedError
from quicmatrix.runner.trace.retry_tag import is_valid
from quicmatrix.runner.trace.tap_records import (
    DatagramLine,
    EndLine,
    FailureLine,
    Line,
    PacketLine,
    RestLine,
    UnexpectedLineError,
    VersionLine,
)

_NETWORKS = tuple(
    (ipaddress.ip_network(network), side)
    for side, networks in ((Side.CLIENT, CLIENT_NETWORKS), (Side.SERVER, SERVER_NETWORKS))
    for network in networks
)


class TooManyPacketsError(Exception):
    """The capture holds more packets than may be decoded."""


@dataclass(frozen=True, slots=True)
class _Host:
    name: str
    """Its address in canonical form."""
    side: Side | None
    """None if it is neither the client's nor the server's."""


class Assembly:
    """A capture in the making; it can be had at any time, also when what comes next is damaged.

    Args:
        side: Which capture it is.
        max_packets: How many packets it may hold.
        secrets: The TLS secrets in it.
    """

    def __init__(self, side: Side, max_packets: int, secrets: Secrets) -> None:
        self.tshark = ""
        """tshark's version; empty as long as it is unknown."""
        self.complete = False
        """Whether the last record has come."""
        self._side = side
        self._max_packets = max_packets
        self._datagrams: list[Datagram] = []
        self._packets: list[Packet] = []
        self._records = 0
        self._start: float | None = None
        self._damage = ""
        self._current: Datagram | None = None
        self._hosts: dict[str, _Host] = {}
        self._connections = Connections(secrets)
        self._odcids: dict[bytes, dict[bytes, None]] = {}

    def capture(self, damage: str = "") -> Capture:
        """What is known by now.

        Args:
            damage: Why this cannot be trusted, beside what was seen here.
        """
        damage = damage or self._damage
        return Capture(self._side, tuple(self._datagrams), tuple(self._packets), damage)

    def add(self, line: Line) -> None:
        """Take in a record.

        Raises:
            UnexpectedLineError: It cannot come here.
            TooManyPacketsError: It is a packet too many.
        """
        if isinstance(line, PacketLine):
            self._packet(line)
        elif isinstance(line, RestLine):
            self._rest(line.data)
        elif isinstance(line, DatagramLine):
            self._records += 1
            self._datagram(line)
        elif isinstance(line, VersionLine):
            self.tshark = line.tshark
        elif isinstance(line, FailureLine):
            self._damage = self._damage or f"frame {line.frame_number}: {line.message}"
        else:
            self._end(line)

    def _end(self, line: EndLine) -> None:
        if line.datagrams != self._records:
            raise UnexpectedLineError(f"{line.datagrams} datagrams, but {self._records} came")
        self.complete = True

    def _datagram(self, line: DatagramLine) -> None:
        source, destination = self._host(line.source), self._host(line.destination)
        if {source.side, destination.side} != set(Side):
            self._current = None
            return
        if self._start is None:
            self._start = line.time
        if line.cut_off and not self._damage:
            self._damage = f"frame {line.frame_number} was not captured whole"
        ends = (
            Address(source.name, line.source_port),
            Address(destination.name, line.destination_port),
        )
        self._current = Datagram(
            capture=self._side,
            frame_number=line.frame_number,
            time=round(line.time - self._start, 9),
            sender=Side.CLIENT if source.side is Side.CLIENT else Side.SERVER,
            path=Path(*(ends if source.side is Side.CLIENT else reversed(ends))),
            ecn=line.ecn,
            size=line.size,
            fate=parse_fate(line.comment),
        )
        self._datagrams.append(self._current)

    def _host(self, text: str) -> _Host:
        if text not in self._hosts:
            try:
                address = ipaddress.ip_address(text)
            except ValueError as error:
                raise UnexpectedLineError(f"{text[:80]!r} is not an IP address") from error
            sides = [side for network, side in _NETWORKS if address in network]
            self._hosts[text] = _Host(str(address), sides[0] if sides else None)
        return self._hosts[text]

    def _packet(self, line: PacketLine) -> None:
        datagram = self._current
        if datagram is None:
            return
        try:
            header = parse_header(line.data, line.dcid_length)
        except MalformedError:
            return
        if header.packet_number_offset is None:
            packet = self._unprotected(datagram, line, header)
        elif line.plaintext is not None and line.number is not None:
            connection = self._connections.of(
                line.connection, datagram.sender, datagram.path, header
            )
            packet = self._authentic(
                datagram,
                line.size,
                Opened(
                    connection,
                    header,
                    line.number,
                    line.key_phase,
                    line.payload_size,
                    line.plaintext,
                ),
            )
        elif opened := self._connections.open(datagram.sender, datagram.path, line.data):
            packet = self._authentic(datagram, line.size, opened)
        else:
            packet = self._encrypted(datagram, line, header)
        self._append(packet)

    def _rest(self, data: bytes) -> None:
        """Look for packets where tshark saw none; what cannot be decrypted is taken for padding."""
        datagram = self._current
        while datagram is not None and data.strip(b"\0"):
            size = len(data)
            with contextlib.suppress(MalformedError):
                size = parse_header(data, 0).size or size
            packet, data = data[:size], data[size:]
            opened = self._connections.open(datagram.sender, datagram.path, packet)
            if opened is None:
                return
            self._append(self._authentic(datagram, len(packet), opened))

    def _append(self, packet: Packet) -> None:
        if len(self._packets) >= self._max_packets:
            raise TooManyPacketsError(f"it holds more than {self._max_packets} packets")
        self._packets.append(packet)

    def _authentic(self, datagram: Datagram, size: int, opened: Opened) -> Packet:
        header = opened.header
        payload = parse_payload(opened.plaintext)
        if header.type is PacketType.INITIAL and datagram.sender is Side.CLIENT:
            self._note_initial(header)
        return Packet(
            datagram=datagram,
            type=header.type,
            version=header.version,
            dcid=header.dcid,
            scid=header.scid,
            size=size,
            payload_size=opened.payload_size,
            number=opened.number,
            key_phase=opened.key_phase,
            connection=opened.connection.number,
            token=header.token,
            padding=payload.padding,
            unread=payload.unread,
            frames=payload.frames,
            tls=self._connections.learn(datagram.sender, datagram.path, opened, payload.frames),
        )

    def _encrypted(self, datagram: Datagram, line: PacketLine, header: Header) -> Packet:
        if header.type is PacketType.INITIAL and datagram.sender is Side.CLIENT:
            self._note_initial(header)
        connection = self._connection(datagram, line, header)
        return Packet(
            datagram=datagram,
            type=header.type,
            version=header.version,
            dcid=header.dcid,
            scid=header.scid,
            size=line.size,
            payload_size=line.payload_size,
            connection=None if connection is None else connection.number,
            token=header.token,
            decrypted=False,
        )

    def _unprotected(self, datagram: Datagram, line: PacketLine, header: Header) -> Packet:
        """A Retry or a Version Negotiation: the client will start over."""
        connection = self._connection(datagram, line, header)
        if connection is not None:
            self._connections.start_over(connection)
        valid = None
        if header.type is PacketType.RETRY and header.version is not None:
            odcids = self._odcids.get(header.dcid, ())
            valid = is_valid(header.version, line.data, odcids)
        return Packet(
            datagram=datagram,
            type=header.type,
            version=header.version,
            dcid=header.dcid,
            scid=header.scid,
            size=line.size,
            connection=None if connection is None else connection.number,
            token=header.token,
            retry_integrity_valid=valid,
            supported_versions=header.supported_versions,
        )

    def _connection(
        self, datagram: Datagram, line: PacketLine, header: Header
    ) -> Connection | None:
        found = self._connections.find(datagram.sender, datagram.path, header)
        return found or self._connections.known(line.connection)

    def _note_initial(self, header: Header) -> None:
        assert header.scid is not None
        self._odcids.setdefault(header.scid, {})[header.dcid] = None
