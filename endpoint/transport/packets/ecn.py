"""Explicit congestion notification (RFC 9000, 13.4; RFC 9002, 7.1), which aioquic leaves out.

Everything is marked ECT(0) until validation says that the path, or the peer, does not carry
marks. What arrives with a mark is counted per packet number space and reported in ACK frames.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Any

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.buffer import UINT_VAR_MAX_SIZE
from aioquic.quic.connection import (
    ACK_FRAME_CAPACITY,
    NetworkAddress,
    QuicConnection,
    QuicConnectionError,
    QuicNetworkPath,
    QuicReceiveContext,
)
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    pull_ack_frame,
    push_ack_frame,
)
from aioquic.quic.packet_builder import QuicPacketBuilder, QuicSentPacket
from aioquic.quic.rangeset import RangeSet
from aioquic.quic.recovery import QuicPacketSpace

COUNTS_CAPACITY = 3 * UINT_VAR_MAX_SIZE
PATIENT_PACKETS = 16
"""Marked packets without any ACK after which validation fails likewise."""
PATIENT_PROBES = 3
"""Probe timeouts in a row after which ECN validation fails (RFC 9000, 13.4.2)."""


class Codepoint(IntEnum):
    """The ECN field of an IP header (RFC 3168, 5)."""

    NOT_ECT = 0
    ECT_1 = 1
    ECT_0 = 2
    CE = 3


@dataclass(slots=True)
class Counts:
    """Packets by the mark that they arrived with."""

    ect_0: int = 0
    ect_1: int = 0
    ce: int = 0


class EcnState(Enum):
    """The state of ECN validation on the path (RFC 9000, 13.4.2)."""

    TESTING = auto()
    CAPABLE = auto()
    FAILED = auto()


class Ecn(QuicConnection):
    """A connection with ECN: marking, counting, reporting, validation, congestion response."""

    _rejected_early_data: frozenset[int]

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.ecn_state = EcnState.TESTING
        self.codepoint_received = 0
        """The ECN field of the datagram that :meth:`receive_datagram` is given next."""
        self._ce_received = False
        """Whether a packet was marked CE since somebody looked."""
        self._arrived: dict[tls.Epoch, Counts] = {}
        self._reported: dict[tls.Epoch, Counts] = {}
        self._marked = range(1 << 62)
        """Numbers of packets that were, or will be, sent with a mark on this path."""
        self._marked_packets = 0
        self._unanswered = 0

    @property
    def codepoint_to_send(self) -> Codepoint:
        """The mark for what :meth:`datagrams_to_send` has just returned."""
        return Codepoint.NOT_ECT if self.ecn_state is EcnState.FAILED else Codepoint.ECT_0

    def handle_timer(self, now: float) -> None:
        """Handle an expired timer."""
        super().handle_timer(now)
        if self.ecn_state is EcnState.TESTING and self._loss._pto_count >= PATIENT_PROBES:  # noqa: SLF001
            self._stop_marking()

    def restart_ecn(self) -> None:
        """Validate anew: the path is another one."""
        self.ecn_state = EcnState.TESTING
        self._marked = range(self._packet_number, 1 << 62)
        self._unanswered = 0

    def _stop_marking(self) -> None:
        self.ecn_state = EcnState.FAILED
        self._marked = range(self._marked.start, self._packet_number)

    # --- Counting and reporting -----------------------------------------------------------------

    def _count(self, epoch: tls.Epoch) -> None:
        """Count the mark of a packet that is accepted, which no duplicate is."""
        # 0-RTT and 1-RTT share a packet number space (RFC 9000, 12.3).
        space = tls.Epoch.ONE_RTT if epoch is tls.Epoch.ZERO_RTT else epoch
        counts = self._arrived.get(space)
        if counts is None:
            counts = self._arrived[space] = Counts()
        if self.codepoint_received == Codepoint.ECT_0:
            counts.ect_0 += 1
        elif self.codepoint_received == Codepoint.ECT_1:
            counts.ect_1 += 1
        else:
            counts.ce += 1
            self._ce_received = True

    def _write_ack_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float
    ) -> None:
        """Write an ACK with the counts of its space; aioquic knows only the one without."""
        counts = next(
            (counts for epoch, counts in self._arrived.items() if self._spaces[epoch] is space),
            None,
        )
        if counts is None:
            super()._write_ack_frame(builder, space, now)
            return
        assert space.largest_received_time is not None
        delay = now - space.largest_received_time
        frame = builder.start_frame(
            QuicFrameType.ACK_ECN,
            capacity=ACK_FRAME_CAPACITY + COUNTS_CAPACITY,
            handler=self._on_ack_delivery,
            handler_args=(space, space.largest_received_packet),
        )
        ranges = push_ack_frame(
            frame,
            space.ack_queue,
            int(delay * 1_000_000) >> self._local_ack_delay_exponent,
            builder.remaining_buffer_space - COUNTS_CAPACITY,
        )
        for count in (counts.ect_0, counts.ect_1, counts.ce):
            frame.push_uint_var(count)
        space.ack_at = None
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            logged = self._quic_logger.encode_ack_frame(
                ranges=RangeSet(list(space.ack_queue)[-ranges:]), delay=delay
            )
            logged |= {"ect0": counts.ect_0, "ect1": counts.ect_1, "ce": counts.ce}
            builder.quic_logger_frames.append(logged)
        if ranges > 1 and builder.packet_number % 8 == 0:
            self._write_ping_frame(builder, comment="ACK-of-ACK trigger")

    # --- Marking and validation -----------------------------------------------------------------

    def _flush_builder(
        self,
        builder: QuicPacketBuilder,
        network_path: QuicNetworkPath,
        peer_cid: bytes,
        now: float,
    ) -> list[tuple[bytes, NetworkAddress]]:
        first = self._packet_number
        datagrams = super()._flush_builder(builder, network_path, peer_cid, now)
        if self.ecn_state is not EcnState.FAILED:
            self._marked_packets += self._packet_number - first
            self._unanswered += self._packet_number - first
            if self.ecn_state is EcnState.TESTING and self._unanswered > PATIENT_PACKETS:
                self._stop_marking()
        return datagrams

    def _handle_ack_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        """Take in an ACK, as aioquic does, but with its counts and after a look at its numbers."""
        try:
            ranges, delay_encoded = pull_ack_frame(buf)
        except ValueError as error:
            raise QuicConnectionError(
                error_code=QuicErrorCode.FRAME_ENCODING_ERROR,
                frame_type=frame_type,
                reason_phrase=str(error),
            ) from None
        counts = _pull_counts(buf) if frame_type == QuicFrameType.ACK_ECN else None
        largest = ranges.bounds().stop - 1
        if largest >= self._packet_number:
            raise QuicConnectionError(  # RFC 9000, 13.1; aioquic believes it
                error_code=QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="ACK of a packet that was not sent",
            )
        if context.epoch is tls.Epoch.ONE_RTT and any(
            number in ranges for number in self._rejected_early_data
        ):
            raise QuicConnectionError(  # RFC 9001, 4.6.2
                error_code=QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="ACK of 0-RTT packets that were rejected",
            )
        delay = (delay_encoded << self._remote_ack_delay_exponent) / 1_000_000
        if self._quic_logger is not None and context.quic_logger_frames is not None:
            context.quic_logger_frames.append(self._quic_logger.encode_ack_frame(ranges, delay))
        if context.epoch is not tls.Epoch.INITIAL:
            self._loss.peer_completed_address_validation = True
        space = self._spaces[context.epoch]
        is_new = largest > space.largest_acked_packet
        packets = _sent_packets(space, ranges) if is_new else []
        self._loss.on_ack_received(
            ack_rangeset=ranges, ack_delay=delay, now=context.time, space=space
        )
        self._unanswered = 0
        if packets and self.ecn_state is not EcnState.FAILED:
            self._validate(context, packets, counts)

    def _validate(
        self, context: QuicReceiveContext, packets: list[QuicSentPacket], counts: Counts | None
    ) -> None:
        """Check the counts of an ACK that brings news (RFC 9000, 13.4.2.1)."""
        marked = sum(packet.packet_number in self._marked for packet in packets)
        if counts is None:
            if marked:
                self._stop_marking()
            return
        before = self._reported.get(context.epoch, Counts())
        self._reported[context.epoch] = counts
        ce_increase = counts.ce - before.ce
        if (
            counts.ect_0 - before.ect_0 + ce_increase < marked
            or counts.ect_0 < before.ect_0
            or ce_increase < 0
            or counts.ect_1
            or counts.ect_0 + counts.ce > self._marked_packets
        ):
            self._stop_marking()
            return
        if marked:
            self.ecn_state = EcnState.CAPABLE
        if ce_increase:
            self._slow_down(packets, context.time)

    def _slow_down(self, packets: list[QuicSentPacket], now: float) -> None:
        """React to CE as to a loss, of no bytes (RFC 9002, 7.1)."""
        newest = max(packets, key=lambda packet: packet.packet_number)
        marker = QuicSentPacket(
            epoch=newest.epoch,
            in_flight=True,
            is_ack_eliciting=True,
            is_crypto_packet=False,
            packet_number=newest.packet_number,
            packet_type=newest.packet_type,
            sent_time=newest.sent_time,
        )
        loss = self._loss
        loss._cc.on_packets_lost(now=now, packets=[marker])  # noqa: SLF001
        loss._pacer.update_rate(  # noqa: SLF001
            congestion_window=loss.congestion_window,
            smoothed_rtt=loss._rtt_smoothed,  # noqa: SLF001
        )


def _pull_counts(buf: Buffer) -> Counts:
    return Counts(buf.pull_uint_var(), buf.pull_uint_var(), buf.pull_uint_var())


def _sent_packets(space: QuicPacketSpace, ranges: RangeSet) -> list[QuicSentPacket]:
    """The packets that an ACK is about to take out of those that are not acknowledged."""
    numbers = list(space.sent_packets)
    return [
        space.sent_packets[number]
        for acked in ranges
        for number in numbers[bisect_left(numbers, acked.start) : bisect_left(numbers, acked.stop)]
    ]
