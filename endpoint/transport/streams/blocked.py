"""DATA_BLOCKED and STREAM_DATA_BLOCKED (RFC 9000, 4.1, 19.12 and 19.13), which aioquic never sends.

A sender says once for each limit that it holds it up; again if the frame is lost while it does.
"""

from __future__ import annotations

from typing import Any

from aioquic.buffer import UINT_VAR_MAX_SIZE
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.stream import QuicStream

DATA_BLOCKED_CAPACITY = 1 + UINT_VAR_MAX_SIZE
STREAM_DATA_BLOCKED_CAPACITY = 1 + 2 * UINT_VAR_MAX_SIZE


class BlockedFrames(QuicConnection):
    """A connection that tells its peer which flow control limit holds it up."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._data_blocked_at: int | None = None
        self._streams_blocked_at: dict[int, int] = {}
        """The limit that the last frame named, of each stream."""

    def _write_data_blocked(self, builder: QuicPacketBuilder) -> None:
        """Write DATA_BLOCKED, once the connection's limit is reached, if it holds up a stream."""
        limit = self._remote_max_data
        if self._data_blocked_at == limit:
            return
        if any(_has_more(each) and not _is_blocked(each) for each in self._streams.values()):
            frame = builder.start_frame(
                QuicFrameType.DATA_BLOCKED,
                capacity=DATA_BLOCKED_CAPACITY,
                handler=self._on_data_blocked_delivery,
                handler_args=(limit,),
            )
            frame.push_uint_var(limit)
            self._data_blocked_at = limit
            if self._quic_logger is not None and builder.quic_logger_frames is not None:
                builder.quic_logger_frames.append(
                    self._quic_logger.encode_data_blocked_frame(limit)
                )

    def _write_stream_data_blocked(self, builder: QuicPacketBuilder, stream: QuicStream) -> None:
        """Write STREAM_DATA_BLOCKED, once a stream's limit is reached, if it holds that up."""
        if not _has_more(stream):
            return
        assert stream.stream_id is not None
        number, limit = stream.stream_id, stream.max_stream_data_remote
        if self._streams_blocked_at.get(number) == limit:
            return
        frame = builder.start_frame(
            QuicFrameType.STREAM_DATA_BLOCKED,
            capacity=STREAM_DATA_BLOCKED_CAPACITY,
            handler=self._on_stream_data_blocked_delivery,
            handler_args=(number, limit),
        )
        frame.push_uint_var(number)
        frame.push_uint_var(limit)
        self._streams_blocked_at[number] = limit
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_stream_data_blocked_frame(limit=limit, stream_id=number)
            )

    def _on_data_blocked_delivery(self, delivery: QuicDeliveryState, limit: int) -> None:
        if delivery is not QuicDeliveryState.ACKED and self._data_blocked_at == limit:
            self._data_blocked_at = None

    def _on_stream_data_blocked_delivery(
        self, delivery: QuicDeliveryState, stream_id: int, limit: int
    ) -> None:
        is_last = self._streams_blocked_at.get(stream_id) == limit
        if is_last and (delivery is not QuicDeliveryState.ACKED or stream_id not in self._streams):
            del self._streams_blocked_at[stream_id]


def _has_more(stream: QuicStream) -> bool:
    """Whether a stream has data that was never sent."""
    sender = stream.sender
    return (
        sender._buffer_stop > sender.highest_offset  # noqa: SLF001
        and sender._reset_error_code is None  # noqa: SLF001
        and not stream.is_blocked
    )


def _is_blocked(stream: QuicStream) -> bool:
    """Whether the stream's own limit is reached."""
    return stream.sender.highest_offset >= stream.max_stream_data_remote
