"""When to acknowledge (RFC 9000, 13.2): aioquic waits 1 ms, whatever came."""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import NetworkAddress
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace

from quicmatrix.endpoint.transport.packets.datagrams import Datagrams

ACK_DELAY = 0.005
"""How long a lone packet waits for its ACK; well below the max_ack_delay of 25 ms we announce."""
ACK_EVERY = 2
"""RFC 9000, 13.2.2: an ACK for at least every second ack-eliciting packet."""


class Acknowledgements(Datagrams):
    """A connection that acknowledges every second packet, gaps at once, and ECN marks with them."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._ack_delay = ACK_DELAY
        self._largest_before = -1
        """The largest packet number that had arrived when datagrams were sent."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        space = self._application_space
        if self._application_packets:
            self._acknowledge_received(space, now)
        if space.ack_at == now:
            # aioquic exempts an ACK from pacing only if it is overdue, not when it is just due.
            space.ack_at -= 1e-6
        return super().datagrams_to_send(now)

    def _acknowledge_received(self, space: QuicPacketSpace, now: float) -> None:
        """Acknowledge a gap, and a packet that is marked CE, at once (RFC 9000, 13.2.1)."""
        is_in_order = (
            space.largest_received_packet == self._largest_before + self._application_packets
        )
        if space.ack_at is not None and (
            not is_in_order or self._ce_received or self._unacknowledged_packets >= ACK_EVERY
        ):
            space.ack_at = min(space.ack_at, now)
        self._largest_before = space.largest_received_packet
        self._application_packets = 0
        self._ce_received = False

    def _write_ack_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float
    ) -> None:
        super()._write_ack_frame(builder, space, now)
        if space.is_application_data:
            self._unacknowledged_packets = 0
