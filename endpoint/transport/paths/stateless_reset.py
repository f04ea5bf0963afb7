"""Stateless reset (RFC 9000, 10.3): aioquic makes tokens, and neither sends nor detects it."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

from aioquic.quic.connection import (
    END_STATES,
    QuicConnectionId,
)
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import STATELESS_RESET_TOKEN_SIZE, QuicErrorCode, QuicFrameType

from quicmatrix.endpoint.transport.packets.datagrams import Datagrams

LEAST_BYTES = 21
"""The shortest datagram that can be one."""
USUAL_BYTES = 43
"""Not to be distinguished from a short-header packet with an ACK."""
REASON = "stateless reset"


class ResetKey:
    """The secret that a server derives its tokens from, so that it needs no state to send them.

    Args:
        secret: At least 32 random bytes; new ones if not given.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = os.urandom(32) if secret is None else secret

    def token(self, connection_id: bytes) -> bytes:
        """The token of a connection ID of ours."""
        digest = hmac.digest(self._secret, connection_id, hashlib.sha256)
        return digest[:STATELESS_RESET_TOKEN_SIZE]

    def reset_for(self, datagram_bytes: int, connection_id: bytes) -> bytes | None:
        """The answer to a short-header packet for an unknown connection ID.

        It is smaller than what it answers (RFC 9000, 10.3.3), so that two endpoints cannot go on
        for ever; None if it cannot be.
        """
        size = min(datagram_bytes - 1, USUAL_BYTES)
        if size < LEAST_BYTES:
            return None
        unpredictable = bytearray(os.urandom(size - STATELESS_RESET_TOKEN_SIZE))
        unpredictable[0] = unpredictable[0] & 0x3F | 0x40
        return bytes(unpredictable) + self.token(connection_id)


class StatelessReset(Datagrams):
    """A connection with stateless reset tokens, which detects stateless resets."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._reset_key: ResetKey | None = None

    def use_reset_key(self, key: ResetKey) -> None:
        """Server: derive all tokens from this key; before any datagram."""
        self._reset_key = key
        self._derive_tokens()

    def _replenish_connection_ids(self) -> None:
        super()._replenish_connection_ids()
        self._derive_tokens()

    def _derive_tokens(self) -> None:
        if self._reset_key is not None:
            for connection_id in self._host_cids:
                connection_id.stateless_reset_token = self._reset_key.token(connection_id.cid)

    def _nothing_received(self, data: bytes, now: float) -> None:
        """Detect a stateless reset: no packet of it can be processed (RFC 9000, 10.3.1)."""
        super()._nothing_received(data, now)
        if self.is_reset(data):
            self._close_event = ConnectionTerminated(
                error_code=QuicErrorCode.NO_ERROR,
                frame_type=QuicFrameType.PADDING,
                reason_phrase=REASON,
            )
            self._close_begin(is_initiator=False, now=now)  # it drains

    def is_reset(self, data: bytes) -> bool:
        """Whether a datagram ends with a token of the peer's for a connection ID in use."""
        if len(data) < LEAST_BYTES or data[0] & 0x80 or self._state in END_STATES:
            return False
        tail = data[-STATELESS_RESET_TOKEN_SIZE:]
        # No `any`: the time must not depend on which token it is (RFC 9000, 10.3.1).
        matches = [
            hmac.compare_digest(connection_id.stateless_reset_token, tail)
            for connection_id in self._peer_ids_in_use()
            if connection_id.stateless_reset_token
        ]
        return True in matches

    def _peer_ids_in_use(self) -> list[QuicConnectionId]:
        others = [path.peer_cid for path in self._network_paths if path.peer_cid is not None]
        return [self._peer_cid, *others]
