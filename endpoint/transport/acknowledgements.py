"""When to acknowledge (RFC 9000, 13.2): aioquic waits 1 ms, whatever came."""

from __future__ import annotations

from typing import Any

from aioquic import tls
from aioquic.quic.connection import NetworkAddress, QuicReceiveContext
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace

from endpoint.transport.ecn import Codepoint, Ecn

ACK_DELAY = 0.005
"""How long a lone packet waits for its ACK; well below the max_ack_delay of 25 ms we announce."""
ACK_EVERY = 2
"""RFC 9000, 13.2.2: an ACK for at least every second ack-eliciting packet."""


class Acknowledgements(Ecn):
    """A connection that acknowledges every second packet, gaps at once, and ECN marks with them."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._ack_delay = ACK_DELAY
        self._unacknowledged_packets = 0

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """Take in a datagram."""
        before = self._largest_received
        super().receive_datagram(data, addr, now)
        if (
            self._largest_received != before + 1
            or self._unacknowledged_packets >= ACK_EVERY
            or self.codepoint_received == Codepoint.CE
        ):
            # RFC 9000, 13.2.1: a gap, and a packet that is marked CE, at once.
            self._acknowledge_by(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        self._let_due_ack_pass(now)
        return super().datagrams_to_send(now)

    @property
    def _largest_received(self) -> int:
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        return -1 if space is None else space.largest_received_packet

    def _acknowledge_by(self, time: float) -> None:
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        if space is not None and space.ack_at is not None:
            space.ack_at = min(space.ack_at, time)

    def _let_due_ack_pass(self, now: float) -> None:
        # aioquic exempts an ACK from pacing only if it is overdue, not when it is just due.
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        if space is not None and space.ack_at == now:
            space.ack_at -= 1e-6

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        # Called once for each packet that is accepted.
        if self.codepoint_received:
            self._count(context.epoch)
        is_ack_eliciting, is_probing = super()._payload_received(
            context, plain, crypto_frame_required
        )
        if is_ack_eliciting and context.epoch in (tls.Epoch.ONE_RTT, tls.Epoch.ZERO_RTT):
            self._unacknowledged_packets += 1
        return is_ack_eliciting, is_probing

    def _write_ack_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float
    ) -> None:
        super()._write_ack_frame(builder, space, now)
        if space.is_application_data:
            self._unacknowledged_packets = 0
