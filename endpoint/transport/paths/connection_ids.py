"""Issuing and retiring connection IDs (RFC 9000, 5.1, 19.15 and 19.16)."""

from __future__ import annotations

from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    NEW_CONNECTION_ID_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionError,
    QuicConnectionId,
    QuicReceiveContext,
)
from aioquic.quic.events import ConnectionIdIssued
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder

MOST_HELD = 4
"""Connection IDs of the peer's that are held: for a path, its successor, and a probe of each. As
many again as with aioquic's 8 would be made, sent and stored for each handshake, and never used."""


class ConnectionIds(QuicConnection):
    """A connection that enforces the rules for connection IDs."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._local_active_connection_id_limit = MOST_HELD
        self._peer_numbers_retired: set[int] = set()
        self._retire_prior_to = 0

    def replace_connection_ids(self) -> None:
        """Give the peer new connection IDs, and have it retire all that it has (RFC 9000, 5.1.2).

        aioquic's Retire Prior To is always 0.
        """
        if not self._handshake_confirmed or not self.host_cid:
            return
        self._retire_prior_to = self._host_cid_seq
        kept, self._host_cids = self._host_cids, []
        self._replenish_connection_ids()
        self._host_cids = kept + self._host_cids  # packets to the old ones are under way

    def _write_new_connection_id_frame(
        self, builder: QuicPacketBuilder, connection_id: QuicConnectionId
    ) -> None:
        frame = builder.start_frame(
            QuicFrameType.NEW_CONNECTION_ID,
            capacity=NEW_CONNECTION_ID_FRAME_CAPACITY,
            handler=self._on_new_connection_id_delivery,
            handler_args=(connection_id,),
        )
        # An ID from before that is sent again must not have itself retired in its own frame.
        retire_prior_to = min(self._retire_prior_to, connection_id.sequence_number)
        frame.push_uint_var(connection_id.sequence_number)
        frame.push_uint_var(retire_prior_to)
        frame.push_uint8(len(connection_id.cid))
        frame.push_bytes(connection_id.cid)
        frame.push_bytes(connection_id.stateless_reset_token)
        connection_id.was_sent = True
        self._events.append(ConnectionIdIssued(connection_id=connection_id.cid))
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_new_connection_id_frame(
                    connection_id=connection_id.cid,
                    retire_prior_to=retire_prior_to,
                    sequence_number=connection_id.sequence_number,
                    stateless_reset_token=connection_id.stateless_reset_token,
                )
            )

    def _handle_new_connection_id_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        start = buf.tell()
        number, retire_prior_to = buf.pull_uint_var(), buf.pull_uint_var()
        buf.seek(start)
        if not self._peer_cid.cid:
            raise QuicConnectionError(
                error_code=QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="the peer has chosen to have no connection ID",
            )
        if retire_prior_to > number:
            # aioquic calls it a PROTOCOL_VIOLATION.
            raise QuicConnectionError(
                error_code=QuicErrorCode.FRAME_ENCODING_ERROR,
                frame_type=frame_type,
                reason_phrase="Retire Prior To is greater than Sequence Number",
            )
        try:
            super()._handle_new_connection_id_frame(context, frame_type, buf)
        except IndexError:
            # The peer takes back all that are left, in a frame that brings none we did not
            # have: aioquic looks for the next one without looking whether there is one.
            raise QuicConnectionError(
                error_code=QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="no connection ID is left",
            ) from None
        if number < self._peer_retire_prior_to and number not in self._peer_numbers_retired:
            # It came too late: RFC 9000, 19.15, has it retired at once, aioquic forgets it.
            self._retire_peer_cid(QuicConnectionId(cid=b"", sequence_number=number))

    def _retire_peer_cid(self, connection_id: QuicConnectionId) -> None:
        super()._retire_peer_cid(connection_id)
        self._peer_numbers_retired.add(connection_id.sequence_number)

    def _handle_retire_connection_id_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        if not self.host_cid:
            raise QuicConnectionError(
                error_code=QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="there is no connection ID to retire",
            )
        super()._handle_retire_connection_id_frame(context, frame_type, buf)
