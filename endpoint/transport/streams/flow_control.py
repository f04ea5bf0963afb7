"""Flow control whose limits follow what was read (RFC 9000, 4).

aioquic doubles its windows on receipt, whether or not the application reads.
"""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    Limit,
    NetworkAddress,
)
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

from quicmatrix.endpoint.transport.streams.blocked import BlockedFrames
from quicmatrix.endpoint.transport.streams.windows import ReceiveWindow

MAX_STREAMS = 100
"""Streams of each direction that the peer may have open at a time."""


class FlowControl(BlockedFrames):
    """A connection whose limits are what was read plus a window."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            limit.value = limit.sent = MAX_STREAMS
        self._window = ReceiveWindow(self._configuration.max_data)
        self.held: dict[int, int] = {}
        """Bytes per stream that the application took out of events, and has not used yet: they
        count as unread."""
        self._limits_at = 0.0

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        self._limits_at = now
        return super().datagrams_to_send(now)

    def _write_connection_limits(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002 - the base class's signature
    ) -> None:
        # Called once for each 1-RTT packet.
        data = self._local_max_data
        if data.value - data.used <= self._window.size // 2:
            data.value = self._window.connection_limit(
                read=data.used - self._unread(),
                limit=data.value,
                now=self._limits_at,
                round_trip=self._loss._rtt_smoothed,  # noqa: SLF001
            )
        if data.value != data.sent:
            self._write_limit(builder, data)
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            # As aioquic does: only once it grants more than the peer has left.
            if limit.value != limit.sent and limit.sent - limit.used < limit.value - limit.sent:
                self._write_limit(builder, limit)
        if self._remote_max_data_used >= self._remote_max_data:
            self._write_data_blocked(builder)

    def _unread(self) -> int:
        """Bytes that arrived and that the application has not seen."""
        out_of_order = sum(
            stream.receiver.highest_offset - stream.receiver.starting_offset()
            for stream in self._streams.values()
            if not stream.receiver.is_finished
        )
        return (
            out_of_order
            + sum(self.held.values())
            + sum(
                len(event.data) for event in self._events if isinstance(event, StreamDataReceived)
            )
        )

    def _write_streams_blocked_frame(
        self, builder: QuicPacketBuilder, frame_type: QuicFrameType, limit: int
    ) -> None:
        """Write the frame, and again if it is lost (RFC 9000, 13.3), which aioquic does not."""
        frame = builder.start_frame(
            frame_type,
            capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
            handler=self._on_streams_blocked_delivery,
        )
        frame.push_uint_var(limit)
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_streams_blocked_frame(
                    is_unidirectional=frame_type == QuicFrameType.STREAMS_BLOCKED_UNI, limit=limit
                )
            )

    def _on_streams_blocked_delivery(self, delivery: QuicDeliveryState) -> None:
        if delivery is not QuicDeliveryState.ACKED:
            self._streams_blocked_pending = bool(
                self._streams_blocked_bidi or self._streams_blocked_uni
            )

    def _write_limit(self, builder: QuicPacketBuilder, limit: Limit) -> None:
        frame = builder.start_frame(
            limit.frame_type,
            capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
            handler=self._on_connection_limit_delivery,
            handler_args=(limit,),
        )
        frame.push_uint_var(limit.value)
        limit.sent = limit.value
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_connection_limit_frame(
                    frame_type=limit.frame_type, maximum=limit.value
                )
            )

    def _write_stream_limits(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002 - the base class's signature
        stream: QuicStream,
    ) -> None:
        # Called once for each stream and 1-RTT packet.
        if stream.max_stream_data_local and not stream.receiver.is_finished:
            self._write_stream_limit(builder, stream)
        if stream.sender.highest_offset >= stream.max_stream_data_remote:
            self._write_stream_data_blocked(builder, stream)

    def _write_stream_limit(self, builder: QuicPacketBuilder, stream: QuicStream) -> None:
        stream.max_stream_data_local = self._window.stream_limit(
            read=stream.receiver.starting_offset() - self.held.get(stream.stream_id or 0, 0),
            limit=stream.max_stream_data_local,
        )
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        frame = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        assert stream.stream_id is not None
        frame.push_uint_var(stream.stream_id)
        frame.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_max_stream_data_frame(
                    maximum=stream.max_stream_data_local, stream_id=stream.stream_id
                )
            )
