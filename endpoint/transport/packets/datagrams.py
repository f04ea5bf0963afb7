"""Taking in datagrams and their packets: what several mechanisms look at for each of them.

They share one override of each of aioquic's two methods, since a chain of them costs a receiver a
fifth of its CPU. What can wait until all datagrams that are there were taken in, is done then.
"""

from __future__ import annotations

from typing import Any

from aioquic import tls
from aioquic.quic.connection import NetworkAddress, QuicReceiveContext
from aioquic.quic.recovery import QuicPacketSpace

from quicmatrix.endpoint.transport.packets.ecn import Ecn
from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT

LONG_HEADER = 0x80
_FORM_AND_QUIC_BIT = LONG_HEADER | QUIC_BIT
_APPLICATION_EPOCHS = (tls.Epoch.ONE_RTT, tls.Epoch.ZERO_RTT)


class Datagrams(Ecn):
    """A connection that counts what it takes in."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._packets_received = 0
        """Packets that were decrypted, and are no duplicates."""
        self._application_packets = 0
        """Of those, with 0-RTT or 1-RTT keys, since datagrams were sent."""
        self._unacknowledged_packets = 0
        """Of those, ack-eliciting, since an ACK was sent."""
        self._expects_keys = True
        """Whether packets may arrive before their keys."""
        self._application_space = QuicPacketSpace()
        """Of 0-RTT and 1-RTT packets."""

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self._application_space = self._spaces[tls.Epoch.ONE_RTT]

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """Take in a datagram; call :meth:`datagrams_to_send` when no more of them are waiting."""
        before = self._packets_received
        is_short = self._handshake_confirmed and data and data[0] < LONG_HEADER
        if not (is_short and self._receive_short(data, addr, now)):
            if data and data[0] & _FORM_AND_QUIC_BIT != QUIC_BIT:
                data = self._filtered(data)
            super().receive_datagram(data, addr, now)
        if self._packets_received == before:
            self._nothing_received(data, now)
        if self._expects_keys:
            self._process_early(addr, now)

    def _payload_received(
        self,
        context: QuicReceiveContext,
        plain: bytes,
        crypto_frame_required: bool = False,  # noqa: ARG002 - the base class's signature
    ) -> tuple[bool, bool]:
        """Process a packet; the first one that arrives may be without a CRYPTO frame.

        aioquic's server closes the connection then. But what RFC 9000, 17.2.2, says of the first
        packet that a client sends does not hold of the first that arrives: a probe may overtake
        the ClientHello, or outlive it.
        """
        self._packets_received += 1
        if self.codepoint_received:
            self._count(context.epoch)
        received = super()._payload_received(context, plain)
        if context.epoch in _APPLICATION_EPOCHS:
            self._application_packets += 1
            if received[0]:
                self._unacknowledged_packets += 1
        return received

    def _receive_short(
        self,
        data: bytes,  # noqa: ARG002 - the subclass's
        addr: NetworkAddress,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> bool:
        """Take in a short header once the handshake is confirmed; False if aioquic has to."""
        return False

    def _filtered(self, data: bytes) -> bytes:
        """What of a datagram is processed, that does not begin as most 1-RTT packets do."""
        return data

    def _nothing_received(self, data: bytes, now: float) -> None:
        """No packet of a datagram could be processed, or the connection is over."""

    def _process_early(self, addr: NetworkAddress, now: float) -> None:
        """A datagram was taken in that may have had packets before their keys, or the keys."""
