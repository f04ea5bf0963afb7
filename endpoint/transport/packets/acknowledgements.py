"""When to acknowledge (RFC 9000, 13.2): aioquic waits 1 ms, whatever came."""

from __future__ import annotations

from typing import Any

from aioquic import tls
from aioquic.quic.connection import NetworkAddress, QuicReceiveContext
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace

from quicmatrix.endpoint.transport.packets.ecn import Codepoint, Ecn

ACK_DELAY = 0.005
"""How long a lone packet waits for its ACK; well below the max_ack_delay of 25 ms we announce."""
ACK_EVERY = 2
"""RFC 9000, 13.2.2: an ACK for at least every second ack-eliciting packet."""
_APPLICATION_EPOCHS = (tls.Epoch.ONE_RTT, tls.Epoch.ZERO_RTT)


class Acknowledgements(Ecn):
    """A connection that acknowledges every second packet, gaps at once, and ECN marks with them."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._ack_delay = ACK_DELAY
        self._unacknowledged_packets = 0
        self._application_space = QuicPacketSpace()
        """Of 0-RTT and 1-RTT packets; looked at for each datagram."""

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self._application_space = self._spaces[tls.Epoch.ONE_RTT]

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """Take in a datagram."""
        expected = self._application_space.largest_received_packet + 1
        super().receive_datagram(data, addr, now)
        space = self._application_space
        if space.ack_at is not None and (
            space.largest_received_packet != expected
            or self._unacknowledged_packets >= ACK_EVERY
            or self.codepoint_received == Codepoint.CE
        ):
            # RFC 9000, 13.2.1: a gap, and a packet that is marked CE, at once.
            space.ack_at = min(space.ack_at, now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        space = self._application_space
        if space.ack_at == now:
            # aioquic exempts an ACK from pacing only if it is overdue, not when it is just due.
            space.ack_at -= 1e-6
        return super().datagrams_to_send(now)

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        # Called once for each packet that is accepted.
        if self.codepoint_received:
            self._count(context.epoch)
        received = super()._payload_received(context, plain, crypto_frame_required)
        is_ack_eliciting, _ = received
        if is_ack_eliciting and context.epoch in _APPLICATION_EPOCHS:
            self._unacknowledged_packets += 1
        return received

    def _write_ack_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float
    ) -> None:
        super()._write_ack_frame(builder, space, now)
        if space.is_application_data:
            self._unacknowledged_packets = 0
