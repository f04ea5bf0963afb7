"""The server's side of a socket: which datagram belongs to which connection.

A datagram for no connection is answered with Version Negotiation (RFC 9000, 6.1), with Retry
(RFC 9000, 8.1.2), with a new connection, or not at all.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aioquic.asyncio.server import _encode_invalid_token_close
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.coalescing import packet_starts
from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT
from quicmatrix.endpoint.transport.paths.address_tokens import AddressTokens
from quicmatrix.endpoint.transport.paths.stateless_reset import ResetKey
from quicmatrix.endpoint.transport.sockets.driver import Application, Driver
from quicmatrix.endpoint.transport.sockets.udp import Address, Send

RETRY_CONNECTION_ID_BYTES = 8
RETRY_MARK = b"Retry"
"""The first bytes of every Retry token. A server must be able to distinguish Retry tokens from
those of NEW_TOKEN frames, also when it cannot decrypt them (RFC 9000, 8.1.1)."""
MOST_HALF_OPEN = 1000
"""Connections whose handshake is not confirmed, from which on clients must prove their address."""
MOST_EARLY_DATAGRAMS = 64
"""With 0-RTT packets, of all clients, that are kept for Initials to come (RFC 9000, 5.2.2)."""
LEAST_CONNECTION_ID_BYTES = 8
"""Of the Destination Connection ID of a client's first Initial, at least (RFC 9000, 7.2)."""
_LONG_HEADER = 0x80
_LONG_HEADER_BYTES = 7
"""The shortest long header: two empty connection IDs (RFC 8999, 5.1)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The connection IDs that authenticate the handshake (RFC 9000, 7.3)."""

    original_destination: bytes
    retry_source: bytes | None
    """None if it was not sent a Retry."""
    is_validated: bool = False
    """Whether it came with a token of an earlier connection (RFC 9000, 8.1.3)."""


@dataclass(frozen=True, slots=True)
class _Early:
    """A datagram that begins with a 0-RTT packet, and for which there is no connection yet."""

    destination: bytes
    data: bytes
    address: Address
    codepoint: int


Accept = Callable[[Origin], tuple[Connection, Application]]
Preferred = Callable[[Address], tuple[tuple[str, int] | None, tuple[str, int] | None]]


def negotiation_for(data: bytes, versions: Sequence[int]) -> bytes:
    """The answer to a datagram of an unknown version, by RFC 8999 alone; empty if none is due.

    It never is to small datagrams, which would amplify, nor to Version Negotiation (RFC 9000, 6.1).
    """
    is_small = len(data) < SMALLEST_MAX_DATAGRAM_SIZE
    if is_small or not data[0] & _LONG_HEADER or not any(data[1:5]):
        return b""
    if int.from_bytes(data[1:5]) in versions:
        return b""
    source_at = 6 + data[5]
    destination_cid, rest = data[6:source_at], data[source_at:]
    return encode_quic_version_negotiation(
        source_cid=destination_cid,
        destination_cid=rest[1 : 1 + rest[0]],
        supported_versions=list(versions),
    )


class Listener:
    """All connections of one server socket.

    Args:
        configuration: The server's; its versions and the length of its connection IDs count.
        accept: Makes a connection and its application.
        send: Sends datagrams.
        retry: Checks addresses before any state is kept; None: only when there are too many
            half-open connections.
        preferred: The preferred IPv4 and IPv6 addresses for a client's path (RFC 9000, 9.6);
            None: no preferred address.
    """

    def __init__(
        self,
        configuration: QuicConfiguration,
        accept: Accept,
        send: Send,
        retry: QuicRetryTokenHandler | None = None,
        preferred: Preferred | None = None,
    ) -> None:
        self._configuration = configuration
        self._accept = accept
        self._send = send
        self._retry = retry or QuicRetryTokenHandler()
        self._always_retry = retry is not None
        self._preferred = preferred
        self._half_open: set[Driver] = set()
        self._reset_key = ResetKey()
        self._tokens = AddressTokens()
        self._drivers: dict[bytes, Driver] = {}
        self._touched: dict[Driver, None] = {}
        self._early: deque[_Early] = deque(maxlen=MOST_EARLY_DATAGRAMS)

    def received(self, data: bytes, address: Address, codepoint: int = 0) -> None:
        """Take in a datagram and its ECN field; :meth:`drained` must follow."""
        if self._is_of_unknown_version(data):
            self._negotiate_version(data, address)
            return
        destination = self._destination(data)
        driver = self._drivers.get(destination)
        if driver is None:
            self._received_without_connection(data, destination, address, codepoint)
        else:
            driver.received(data, address, codepoint)
            self._touched[driver] = None

    def drained(self) -> None:
        """Drive each connection that the last batch of datagrams was for."""
        touched, self._touched = self._touched, {}
        for driver in touched:
            driver.drained()
            if driver.connection.is_confirmed:
                self._half_open.discard(driver)

    def close(self, error_code: int) -> None:
        """Close all connections at once, without waiting for acknowledgments."""
        for driver in dict.fromkeys(self._drivers.values()):
            driver.close(error_code)
            driver.stop()

    def _destination(self, data: bytes) -> bytes:
        """The Destination Connection ID, where RFC 8999, 5, has it; empty if there is none."""
        if not data or data[0] & _LONG_HEADER:
            return data[6 : 6 + data[5]] if len(data) >= _LONG_HEADER_BYTES else b""
        return data[1 : 1 + self._configuration.connection_id_length]

    def _received_without_connection(
        self, data: bytes, destination: bytes, address: Address, codepoint: int
    ) -> None:
        if data and not data[0] & _LONG_HEADER:
            if (driver := self._reset_by(data, address)) is not None:
                driver.received(data, address, codepoint)
                self._touched[driver] = None
                return
            # Without the QUIC bit it may be another protocol's; of a client that greases, every
            # other packet has it.
            reset = self._reset_key.reset_for(len(data), destination)
            if reset is not None and data[0] & QUIC_BIT:
                self._send([(reset, address)], 0)
            return
        packets = packet_starts(data, self._configuration.connection_id_length)
        if not packets:
            return
        _, header = packets[0]
        if header.packet_type == QuicPacketType.ZERO_RTT and not self._always_retry:
            self._early.append(_Early(destination, data, address, codepoint))
        elif (
            len(data) >= SMALLEST_MAX_DATAGRAM_SIZE
            and header.packet_type == QuicPacketType.INITIAL
            and header.version is not None
            and len(header.destination_cid) >= LEAST_CONNECTION_ID_BYTES
            # Without a token a client cannot know that we support greasing (RFC 9287, 3.1).
            and (data[0] & QUIC_BIT or header.token)
        ):
            origin = self._origin(header, header.version, address)
            if origin is not None:
                self._open(data, header, address, codepoint, origin)

    def _reset_by(self, data: bytes, address: Address) -> Driver | None:
        """The connection whose client, at this address, sent it a stateless reset.

        Its Destination Connection ID is random (RFC 9000, 10.3).
        """
        for driver in dict.fromkeys(self._drivers.values()):
            connection = driver.connection
            if connection.peer_address == address and connection.is_reset(data):
                return driver
        return None

    def _is_of_unknown_version(self, data: bytes) -> bool:
        if len(data) < _LONG_HEADER_BYTES or not data[0] & _LONG_HEADER:
            return False
        version = int.from_bytes(data[1:5], "big")
        return version not in self._configuration.supported_versions

    def _negotiate_version(self, data: bytes, address: Address) -> None:
        """Answer with our versions, where an answer is due."""
        if answer := negotiation_for(data, self._configuration.supported_versions):
            self._send([(answer, address)], 0)

    def _origin(self, header: QuicHeader, version: int, address: Address) -> Origin | None:
        """The connection IDs of a new connection; None if the answer is Retry or INVALID_TOKEN."""
        now = asyncio.get_running_loop().time()
        if self._tokens.holds(header.token, address[0], now, version):
            return Origin(header.destination_cid, None, is_validated=True)
        if header.token.startswith(RETRY_MARK):
            try:
                return self._after_retry(header, address, now)
            except ValueError:
                # The client will not take a second Retry (RFC 9000, 8.1.2).
                answer = _encode_invalid_token_close(
                    version=version,
                    source_cid=header.destination_cid,
                    destination_cid=header.source_cid,
                )
                self._send([(answer, address)], 0)
                return None
        # A NEW_TOKEN token that is expired, of another address or of another key is treated as
        # if there were none (RFC 9000, 8.1.3).
        if self._always_retry or len(self._half_open) >= MOST_HALF_OPEN:
            self._send_retry(header, version, address, now)
            return None
        return Origin(header.destination_cid, None)

    def _after_retry(self, header: QuicHeader, address: Address, now: float) -> Origin:
        """The connection IDs after a valid Retry token; ValueError if the token is not valid."""
        original = self._retry.validate_token(
            address=address,
            destination_cid=header.destination_cid,
            token=header.token[len(RETRY_MARK) :],
            now=now,
        )
        return Origin(original, header.destination_cid)

    def _send_retry(self, header: QuicHeader, version: int, address: Address, now: float) -> None:
        source = os.urandom(RETRY_CONNECTION_ID_BYTES)
        token = self._retry.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source,
            now=now,
        )
        answer = encode_quic_retry(
            version=version,
            source_cid=source,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=RETRY_MARK + token,
        )
        self._send([(answer, address)], 0)

    def _open(
        self, data: bytes, header: QuicHeader, address: Address, codepoint: int, origin: Origin
    ) -> None:
        connection, application = self._accept(origin)
        connection.use_reset_key(self._reset_key)
        now = asyncio.get_running_loop().time()
        connection.give_token(functools.partial(self._tokens.make, address[0], now))
        if self._preferred is not None:
            connection.prefer(*self._preferred(address))
        entries = _Entries(self._drivers, self._half_open)
        driver = Driver(connection, application, self._send, entries)
        driver.received(data, address, codepoint)
        if not connection.is_started:
            connection.end_trace()  # not one packet could be decrypted: a corrupted datagram
            return
        if origin.is_validated:
            connection.trust_address()
        entries.driver = driver
        entries.issued(header.destination_cid)
        entries.issued(connection.host_cid)
        self._half_open.add(driver)
        self._touched[driver] = None
        self._replay_early(driver, header.destination_cid, address)

    def _replay_early(self, driver: Driver, destination: bytes, address: Address) -> None:
        """Process the 0-RTT packets that overtook a client's first Initial."""
        early = [kept for kept in self._early if kept.destination == destination]
        for kept in early:
            self._early.remove(kept)
            if kept.address == address:
                driver.received(kept.data, address, kept.codepoint)


class _Entries:
    """The connection IDs of one connection in the table of all of them."""

    driver: Driver

    def __init__(self, table: dict[bytes, Driver], half_open: set[Driver]) -> None:
        self._table = table
        self._half_open = half_open
        self._own: set[bytes] = set()

    def issued(self, connection_id: bytes) -> None:
        self._own.add(connection_id)
        self._table[connection_id] = self.driver

    def retired(self, connection_id: bytes) -> None:
        self._own.discard(connection_id)
        self._table.pop(connection_id, None)

    def ended(self) -> None:
        for connection_id in self._own:
            self._table.pop(connection_id, None)
        self._own.clear()
        self._half_open.discard(self.driver)
