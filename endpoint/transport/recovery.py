"""Pacing in steps that a timer can keep, and a count of what was lost (RFC 9002, 7.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.quic.recovery import QuicPacketPacer

QUANTUM_S = 0.001
"""What a timer may bring on at once. On a link of 10 Mbit/s that is one packet, so nothing
changes there; in aioquic a timer is set for each packet, however soon it is due."""
MOST_PACKETS = 64


class QuantumPacer(QuicPacketPacer):
    """Sends what a millisecond allows in one go, where aioquic wakes up for each packet."""

    def next_send_time(self, now: float) -> float | None:  # type: ignore[override]
        """When to go on; None if now."""
        due = super().next_send_time(now)
        # Once half of a bucket is there, or one packet's time has passed if that is longer.
        return None if due is None else max(due, now + min(QUANTUM_S, self.bucket_max) / 2)

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        """Follow the congestion window."""
        is_first = self.packet_time is None
        super().update_rate(congestion_window, smoothed_rtt)
        assert self.packet_time is not None
        most = min(MOST_PACKETS * self.packet_time, QUANTUM_S)
        self.bucket_max = max(self.bucket_max, most)
        if is_first:
            # Nothing is in flight but the handshake: a burst is due, not a wait (RFC 9002, 7.7).
            self.bucket_time = self.bucket_max


class Recovery(QuicConnection):
    """A connection that paces in quanta and counts its losses."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.packets_lost = 0
        """Declared lost, spuriously or not; PMTU probes and rejected 0-RTT count."""
        self._loss._pacer = QuantumPacer(max_datagram_size=self._max_datagram_size)  # noqa: SLF001
        self._loss._on_packets_lost = self._counting(self._loss._on_packets_lost)  # type: ignore[method-assign]  # noqa: SLF001

    def _counting(self, on_packets_lost: Callable[..., None]) -> Callable[..., None]:
        def counted(*, packets: Iterable[QuicSentPacket], **others: Any) -> None:  # noqa: ANN401
            packets = list(packets)
            self.packets_lost += len(packets)
            on_packets_lost(packets=packets, **others)

        return counted
