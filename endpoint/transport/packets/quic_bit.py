"""Greasing the QUIC bit (RFC 9287): the second bit of each packet is random.

Both sides announce with a transport parameter that they accept packets whose bit is 0. Once the
peer has announced it on this connection the bit is random in all packets. A client with a token
of the server may begin earlier, if an earlier connection had the parameter (RFC 9287, 3.1); ours
does not, so nothing is remembered by either side, and the bit of 0-RTT packets is 1. So is that of
stateless resets, whose sender does not know the peer.

aioquic drops packets whose bit is 0, but only when it parses headers. :class:`Restored` shows it
the datagram with the bit, and hands out the bytes that came when they are decrypted, since the
first byte is authenticated as it was sent (RFC 9001, 5.3).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from aioquic import tls
from aioquic.buffer import encode_uint_var
from aioquic.quic.crypto import CryptoContext

from quicmatrix.endpoint.transport.crypto.packet_protection import PacketProtection
from quicmatrix.endpoint.transport.crypto.transport_parameters import (
    GREASE_QUIC_BIT,
    TransportParameters,
)

QUIC_BIT = 0x40
_BITS_DRAWN = 1024


class Restored(bytes):
    """A datagram whose packets all have the QUIC bit; its slices are of what arrived instead."""

    arrived: bytes

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - an index or a slice, like bytes
        return self.arrived[key]


def restored(data: bytes, starts: Iterable[int]) -> Restored:
    """A datagram, as if the packets that begin at some offsets had the QUIC bit."""
    altered = bytearray(data)
    for start in starts:
        altered[start] |= QUIC_BIT
    result = Restored(altered)
    result.arrived = data
    return result


class GreasingContext(PacketProtection):
    """Keys to send with that clear the QUIC bit of every other packet or so, unpredictably."""

    def __init__(self, replaced: CryptoContext) -> None:
        super().__init__(replaced)
        self._bits = 1

    def encrypt_packet(
        self, plain_header: bytes, plain_payload: bytes, packet_number: int
    ) -> bytes:
        """Protect a packet; the bit is part of what is authenticated."""
        bits = self._bits
        if bits == 1:  # the last of those that were drawn
            bits = int.from_bytes(os.urandom(_BITS_DRAWN // 8), "big") | 1 << _BITS_DRAWN
        self._bits = bits >> 1
        if bits & 1:
            plain_header = bytes((plain_header[0] & ~QUIC_BIT,)) + plain_header[1:]
        return super().encrypt_packet(plain_header, plain_payload, packet_number)


class QuicBit(TransportParameters):
    """A connection that greases the QUIC bit with a peer that does."""

    greases_quic_bit = True
    """Whether to announce it at all; only then are packets without the bit taken."""

    def _serialize_transport_parameters(self) -> bytes:
        encoded = super()._serialize_transport_parameters()
        if not self.greases_quic_bit:
            return encoded
        return encoded + encode_uint_var(GREASE_QUIC_BIT) + encode_uint_var(0)

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        if self.greases_quic_bit and GREASE_QUIC_BIT in self.peer_parameters:
            self._grease()

    def _grease(self) -> None:
        pairs = {*self._cryptos.values(), *self._cryptos_initial.values()}
        for pair in pairs - {self._cryptos[tls.Epoch.ZERO_RTT]}:
            pair.send = GreasingContext(pair.send)
