"""Real QUIC traffic without a network: aioquic's two ends joined in memory, in virtual time.

A :class:`Link` records every datagram in both captures' points of view and keeps each end's qlog,
which says what was sent independently of any dissector.
"""

from __future__ import annotations

import datetime as dt
import heapq
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent, StreamDataReceived
from aioquic.quic.logger import QuicLogger
from aioquic.quic.packet import (
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.tls import SessionTicket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quicmatrix.runner.network import topology
from quicmatrix.runner.trace.model import Address, Ecn, Side
from tests.support.pcapng_writer import Sent, pcapng

CLIENT = Address(topology.CLIENT.ipv4, 50000)
SERVER = Address(topology.SERVER.ipv4, topology.SERVER_PORT)
CLIENT_V6 = Address(topology.CLIENT.ipv6, 50000)
SERVER_V6 = Address(topology.SERVER.ipv6, topology.SERVER_PORT)
ONE_WAY_S = 0.015

Fate = Callable[[Side, int, bytes], tuple[bytes | None, str]]
"""What becomes of the n-th datagram (from 0) of a side: the bytes that arrive, and a comment."""


def delivered(_sender: Side, _index: int, data: bytes) -> tuple[bytes | None, str]:
    """The fate of a datagram on a perfect link."""
    return data, ""


def passed(index: int) -> str:
    """The middlebox's comment on the n-th datagram (from 0) of a side, delivered as it was."""
    return f"#{index + 1} delivered after {ONE_WAY_S * 1000:.1f} ms"


@cache
def _certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server4")])
    now = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now.replace(year=2054))
    return builder.sign(key, hashes.SHA256()), key


@dataclass
class Link:
    """A client, a server and what lies between them; several connections in a row are possible."""

    client_address: Address = CLIENT
    server_address: Address = SERVER
    fate: Fate = delivered
    retry: bool = False
    server_versions: list[int] | None = None
    ecn: Ecn = Ecn.NOT_ECT
    response: bytes = b"hello from the server"
    now: float = 0.0
    left: list[Sent] = field(default_factory=list)
    right: list[Sent] = field(default_factory=list)
    secrets: io.StringIO = field(default_factory=io.StringIO)
    qlog: QuicLogger = field(default_factory=QuicLogger)
    tickets: list[SessionTicket] = field(default_factory=list)
    server_tickets: dict[bytes, SessionTicket] = field(default_factory=dict)
    events: list[tuple[Side, QuicEvent]] = field(default_factory=list)
    client: QuicConnection = field(init=False)
    server: QuicConnection | None = field(init=False, default=None)
    _sent: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    _flying: list[tuple[float, int, Side, bytes, Address, Address]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _retry_odcid: bytes | None = None
    _retry_scid: bytes | None = None

    def connect(self, *, early: bytes = b"", **options: object) -> None:
        """Start a new connection; ``early`` is sent at once, as 0-RTT if there is a ticket."""
        settings: dict[str, object] = {
            "alpn_protocols": ["hq-interop"],
            "server_name": "server4",
            "secrets_log_file": self.secrets,
            "quic_logger": self.qlog,
            "verify_mode": False,
            **options,
        }
        self.server = None
        self._retry_odcid = self._retry_scid = None
        configuration = QuicConfiguration(is_client=True, **settings)  # type: ignore[arg-type]
        self.client = QuicConnection(
            configuration=configuration, session_ticket_handler=self.tickets.append
        )
        self.client.connect((self.server_address.host, self.server_address.port), now=self.now)
        if early:
            self.client.send_stream_data(0, early, end_stream=True)
        self._transmit(Side.CLIENT)

    def request(self, stream_id: int = 0, data: bytes = b"GET /\r\n") -> None:
        """Send a request on the client's connection."""
        self.client.send_stream_data(stream_id, data, end_stream=True)
        self._transmit(Side.CLIENT)

    def transmit(self) -> None:
        """Let both ends send what they have to."""
        self._transmit(Side.CLIENT)
        if self.server is not None:
            self._transmit(Side.SERVER)

    def run(self, until: float) -> None:
        """Let virtual time pass."""
        while True:
            timers = [
                (timer, side)
                for side in Side
                if (end := self._end(side)) is not None and (timer := end.get_timer()) is not None
            ]
            timer, side = min(timers, default=(until + 1, Side.CLIENT))
            arrival = self._flying[0][0] if self._flying else until + 1
            if min(timer, arrival) > until:
                self.now = until
                return
            if arrival <= timer:
                self.now = max(self.now, arrival)
                _, _, sender, data, source, destination = heapq.heappop(self._flying)
                self._arrive(sender, data, source, destination)
            else:
                end = self._end(side)
                assert end is not None
                # The pacer's waits may be less than a float can add to a time: round them up.
                self.now = max(self.now + 1e-6, timer)
                end.handle_timer(self.now)
                self._drain(side)

    def close(self) -> None:
        """Close the client's connection and let everything settle."""
        self.client.close()
        self._transmit(Side.CLIENT)
        self.run(self.now + 5)

    def capture(self, side: Side, *, keys: bool = True) -> bytes:
        """The capture of a side as pcapng."""
        datagrams = self.left if side is Side.CLIENT else self.right
        ordered = sorted(datagrams, key=lambda sent: sent.time)
        return pcapng(ordered, self.secrets.getvalue() if keys else "")

    def write(self, path: Path, side: Side = Side.CLIENT, *, keys: bool = True) -> Path:
        """Write the capture of a side into a file."""
        path.write_bytes(self.capture(side, keys=keys))
        return path

    def inject(self, sender: Side, data: bytes, source: Address, destination: Address) -> None:
        """Put any datagram on the link."""
        self._send(sender, data, source, destination)

    def _end(self, side: Side) -> QuicConnection | None:
        return self.client if side is Side.CLIENT else self.server

    def _transmit(self, side: Side) -> None:
        end = self._end(side)
        assert end is not None
        here = self.client_address if side is Side.CLIENT else self.server_address
        for data, there in end.datagrams_to_send(now=self.now):
            self._send(side, data, here, Address(there[0], there[1]))

    def _send(self, side: Side, data: bytes, source: Address, destination: Address) -> None:
        index = self._sent[side]
        self._sent[side] += 1
        arrived, comment = self.fate(side, index, data)
        # A datagram is known to the capture at its sender's side as sent, at the other as arrived.
        near, far = (self.left, self.right) if side is Side.CLIENT else (self.right, self.left)
        sent = Sent(self.now, source, destination, data, self.ecn, comment)
        near.append(sent)
        if arrived is not None:
            due = self.now + ONE_WAY_S
            far.append(replace(sent, time=due, payload=arrived))
            flying = (due, next(self._order), side, arrived, source, destination)
            heapq.heappush(self._flying, flying)

    def _arrive(self, sender: Side, data: bytes, source: Address, destination: Address) -> None:
        if sender is Side.CLIENT and self.server is None and not self._accept(data, source):
            return
        end = self._end(sender.peer)
        assert end is not None
        end.receive_datagram(data, (source.host, source.port), now=self.now)
        if end is self.server and not end._network_paths:
            self.server = None  # the first packet could not be decrypted: forget it all
        else:
            self._drain(sender.peer)

    def _drain(self, side: Side) -> None:
        end = self._end(side)
        assert end is not None
        while (event := end.next_event()) is not None:
            self.events.append((side, event))
            finished = isinstance(event, StreamDataReceived) and event.end_stream
            if side is Side.SERVER and finished:
                end.send_stream_data(event.stream_id, self.response, end_stream=True)  # type: ignore[attr-defined]
        self._transmit(side)

    def _accept(self, data: bytes, source: Address) -> bool:
        """Make the server's connection, unless the datagram is answered without one."""
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=8)
        except ValueError:
            return False
        if header.packet_type != QuicPacketType.INITIAL or header.version is None:
            return False
        if self.server_versions and header.version not in self.server_versions:
            answer = encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=self.server_versions,
            )
            self._send(Side.SERVER, answer, self.server_address, source)
            return False
        if self.retry and not header.token:
            self._retry_odcid, self._retry_scid = header.destination_cid, b"retryCID"
            answer = encode_quic_retry(
                version=header.version,
                source_cid=self._retry_scid,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=b"a token of the server",
            )
            self._send(Side.SERVER, answer, self.server_address, source)
            return False
        certificate, key = _certificate()
        configuration = QuicConfiguration(
            is_client=False,
            alpn_protocols=["hq-interop", "h3"],
            certificate=certificate,
            private_key=key,
            quic_logger=self.qlog,
            max_datagram_frame_size=1200,
        )
        if self.server_versions:
            configuration.supported_versions = self.server_versions
        self.server = QuicConnection(
            configuration=configuration,
            original_destination_connection_id=self._retry_odcid or header.destination_cid,
            retry_source_connection_id=self._retry_scid,
            session_ticket_fetcher=self.server_tickets.get,
            session_ticket_handler=lambda ticket: self.server_tickets.__setitem__(
                ticket.ticket, ticket
            ),
        )
        return True


def private_key_pem() -> bytes:
    """The server's key, for tests that want to write it down."""
    return _certificate()[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
