"""Connection IDs that the peer gives and takes back (RFC 9000, 5.1, 19.15 and 19.16)."""

from __future__ import annotations

from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    QuicConnection,
    QuicConnectionError,
    QuicConnectionId,
    QuicReceiveContext,
)
from aioquic.quic.packet import QuicErrorCode


class ConnectionIds(QuicConnection):
    """A connection that is as strict with connection IDs as the RFC asks."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._peer_numbers_retired: set[int] = set()

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
