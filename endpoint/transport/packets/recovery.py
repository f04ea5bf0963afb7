"""Pacing with a coarse timer (RFC 9002, 7.7), and loss detection with adaptive thresholds (6.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.quic.rangeset import RangeSet
from aioquic.quic.recovery import (
    K_PACKET_THRESHOLD,
    K_TIME_THRESHOLD,
    QuicPacketPacer,
    QuicPacketSpace,
)

QUANTUM_S = 0.001
"""What a timer may bring on at once. On a link of 10 Mbit/s that is one packet, so nothing
changes there; in aioquic a timer is set for each packet, however soon it is due."""
MOST_PACKETS = 64
MOST_REORDERED = 128
"""Packets by which the packet threshold lets one be late, once that was seen to happen."""
TIME_STEP = 1 / 8
MOST_TIME_THRESHOLD = 2.0
"""In round trips; it begins at 9/8 (RFC 9002, 6.1.2)."""
MOST_REMEMBERED = 256
INITIAL_RTT_S = 0.5
"""Twice this is the probe timeout before the first RTT sample: 1 s (RFC 9002, 6.2.2)."""


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
    """A connection that paces in quanta, and that learns how much its path reorders.

    A packet counts as lost when a packet sent so much later was acknowledged (RFC 9002, 6.1).
    aioquic's thresholds are fixed, so that on a path that reorders by more each late packet halves
    the congestion window. Here they grow when a packet is acknowledged that was declared lost.
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.packets_lost = 0
        """Declared lost, spuriously or not; PMTU probes and rejected 0-RTT count."""
        self.packets_lost_spuriously = 0
        """Of those, acknowledged later."""
        self._packet_threshold = K_PACKET_THRESHOLD
        self._time_threshold = K_TIME_THRESHOLD
        self._lost: dict[int, int] = {}
        """Packet numbers of 1-RTT that were declared lost, with the largest acknowledged then."""
        loss = self._loss
        loss._pacer = QuantumPacer(max_datagram_size=self._max_datagram_size)  # noqa: SLF001
        loss._on_packets_lost = self._counting(loss._on_packets_lost)  # type: ignore[method-assign]  # noqa: SLF001
        loss.on_ack_received = self._learning(loss.on_ack_received)  # type: ignore[method-assign]
        loss._detect_loss = self._detect_loss  # type: ignore[method-assign]  # noqa: SLF001

    def _counting(self, on_packets_lost: Callable[..., None]) -> Callable[..., None]:
        def counted(*, packets: Iterable[QuicSentPacket], **others: Any) -> None:  # noqa: ANN401
            packets = list(packets)
            self.packets_lost += len(packets)
            self._on_lost(packets)
            on_packets_lost(packets=packets, **others)

        return counted

    def _learning(self, on_ack_received: Callable[..., None]) -> Callable[..., None]:
        def learned(*, ack_rangeset: RangeSet, space: QuicPacketSpace, **others: Any) -> None:  # noqa: ANN401
            if self._lost and space.is_application_data:
                self._learn(ack_rangeset)
            newest = space.sent_packets.get(ack_rangeset.bounds().stop - 1)
            on_ack_received(ack_rangeset=ack_rangeset, space=space, **others)
            if newest is not None:
                self._on_newest_acknowledged(newest)

        return learned

    def _on_lost(self, packets: Sequence[QuicSentPacket]) -> None:
        """Packets were declared lost."""

    def _on_newest_acknowledged(self, packet: QuicSentPacket) -> None:
        """An ACK's largest packet was not acknowledged before; its losses are known by now."""

    def _learn(self, acknowledged: RangeSet) -> None:
        """Raise the thresholds if something was declared lost that had arrived, or will have."""
        for number in [number for number in self._lost if number in acknowledged]:
            largest = self._lost.pop(number)
            self.packets_lost_spuriously += 1
            gap = largest - number + 1
            self._packet_threshold = min(max(self._packet_threshold, gap), MOST_REORDERED)
            self._time_threshold = min(self._time_threshold + TIME_STEP, MOST_TIME_THRESHOLD)

    def _detect_loss(self, *, now: float, space: QuicPacketSpace) -> None:
        """As aioquic has it, with thresholds of our own."""
        loss = self._loss
        round_trip = max(loss._rtt_latest, loss._rtt_smoothed)  # noqa: SLF001
        if not loss._rtt_initialized:  # noqa: SLF001
            round_trip = loss._rtt_initial  # noqa: SLF001
        delay = self._time_threshold * round_trip
        lost = []
        space.loss_time = None
        for number, packet in space.sent_packets.items():
            if number > space.largest_acked_packet:
                break
            assert packet.sent_time is not None
            is_far_behind = number <= space.largest_acked_packet - self._packet_threshold
            if is_far_behind or packet.sent_time <= now - delay:
                lost.append(packet)
            elif space.loss_time is None or space.loss_time > packet.sent_time + delay:
                space.loss_time = packet.sent_time + delay
        if space.is_application_data:
            self._remember(lost, space.largest_acked_packet)
        loss._on_packets_lost(  # noqa: SLF001
            now=now,
            packets=lost,
            persistent_congestion=loss._in_persistent_congestion(packets=lost),  # noqa: SLF001
            space=space,
        )

    def _remember(self, lost: list[QuicSentPacket], largest: int) -> None:
        for packet in lost:
            self._lost[packet.packet_number] = largest
        for number in list(self._lost)[: max(len(self._lost) - MOST_REMEMBERED, 0)]:
            del self._lost[number]
