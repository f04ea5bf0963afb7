"""Packets that arrive before their keys, because what brings the keys is late or lost.

A client keeps Handshake and 1-RTT packets that overtake the ServerHello or Finished, and a server
0-RTT and 1-RTT packets that overtake the ClientHello or Finished, where aioquic drops them
(RFC 9000, 5.2.2; RFC 9001, 4.1.4 and 5.7).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aioquic import tls
from aioquic._crypto import CryptoError
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.crypto import CryptoPair, KeyUnavailableError

from quicmatrix.endpoint.transport.crypto.packet_protection import PacketProtection
from quicmatrix.endpoint.transport.packets.datagrams import Datagrams
from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT, restored

MOST_KEPT_BYTES = 32 * 1024
"""Of each encryption level of a connection: twice a first flight (RFC 9002, 7.2)."""
_IN_ORDER_OF_KEYS = (tls.Epoch.ZERO_RTT, tls.Epoch.HANDSHAKE, tls.Epoch.ONE_RTT)


class KeepingCryptoPair(CryptoPair):
    """A pair of keys that keeps packets until it has the key; replaces one without keys."""

    def __init__(self, replaced: CryptoPair) -> None:
        super().__init__()
        self.recv = PacketProtection(replaced.recv)
        self.send = PacketProtection(replaced.send)
        self.kept: list[bytes] = []
        """Packets of the last datagram."""
        self.room = MOST_KEPT_BYTES
        """Bytes that may still be kept; none once the key is not expected any more."""

    def decrypt_packet(
        self, packet: bytes, encrypted_offset: int, expected_packet_number: int
    ) -> tuple[bytes, bytes, int]:
        """Remove the protection of a packet, or keep it; one of another version is dropped.

        aioquic takes any version that it knows (RFC 9369, 4.1).
        """
        if self.recv.is_valid() and int.from_bytes(packet[1:5]) != self.recv.version:
            raise CryptoError("a packet of another version than the negotiated one")
        try:
            return super().decrypt_packet(packet, encrypted_offset, expected_packet_number)
        except KeyUnavailableError:
            self.keep(packet)
            raise

    def keep(self, packet: bytes) -> None:
        """Keep a packet if there is room."""
        if len(packet) <= self.room:
            self.room -= len(packet)
            self.kept.append(packet)


class _Kept(NamedTuple):
    packet: bytes
    address: NetworkAddress
    codepoint: int
    """The ECN field it came with."""


class EarlyPackets(Datagrams):
    """A connection that processes early packets once it has their keys."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._early: dict[tls.Epoch, list[_Kept]] = {}

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self._early = {epoch: [] for epoch in _IN_ORDER_OF_KEYS}
        for epoch in (tls.Epoch.ZERO_RTT, tls.Epoch.HANDSHAKE):
            self._cryptos[epoch] = KeepingCryptoPair(self._cryptos[epoch])

    def _process_early(self, addr: NetworkAddress, now: float) -> None:
        """Keep early packets of a datagram, and process those whose keys it has brought."""
        if not self._cryptos:
            return
        for epoch in _IN_ORDER_OF_KEYS:
            keys = self._cryptos[epoch]
            assert isinstance(keys, KeepingCryptoPair)
            early = self._early[epoch]
            early += (_Kept(packet, addr, self.codepoint_received) for packet in keys.kept)
            keys.kept.clear()
            if early and keys.recv.is_valid():
                self._early[epoch] = []
                self._process(early, now)
            if self._handshake_complete or (epoch is tls.Epoch.ZERO_RTT and self._has_read_hello):
                keys.room = 0
                self._early[epoch] = []
        self._expects_keys = not self._handshake_complete

    @property
    def _has_read_hello(self) -> bool:
        return self.tls.state is not tls.State.SERVER_EXPECT_CLIENT_HELLO

    def _process(self, early: list[_Kept], now: float) -> None:
        codepoint = self.codepoint_received
        for packet, address, self.codepoint_received in early:
            path = self._find_network_path(address)
            counted = path.bytes_received  # when the packet came (RFC 9000, 8.1)
            data = packet if packet[0] & QUIC_BIT else restored(packet, (0,))
            QuicConnection.receive_datagram(self, data, address, now)
            path.bytes_received = counted
        self.codepoint_received = codepoint
