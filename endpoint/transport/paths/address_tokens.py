"""Address validation with NEW_TOKEN (RFC 9000, 8.1.3).

aioquic's client accepts empty tokens and delivers retransmitted ones twice; its server neither
issues nor accepts tokens other than those of Retry packets.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from aioquic._buffer import Buffer
from aioquic.buffer import size_uint_var
from aioquic.quic.connection import QuicConnection, QuicConnectionError, QuicReceiveContext
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIFETIME_S = 24 * 3600.0
TOKENS_REMEMBERED = 64
"""The latest tokens among which a client detects duplicates."""
MARK = b"Again"
"""The first bytes of every token, to distinguish it from a Retry token (RFC 9000, 8.1.1)."""
_NONCE_BYTES = 12
_SEALED_AT = len(MARK) + _NONCE_BYTES
_CONTENT = struct.Struct("!dI")


class AddressTokens:
    """Makes and checks a server's tokens; the key lives as long as the object."""

    def __init__(self) -> None:
        self._aead = AESGCM(AESGCM.generate_key(bit_length=128))

    def make(self, host: str, now: float, version: int) -> bytes:
        """A token for a client at an address, that spoke a version; no two are alike."""
        nonce = os.urandom(_NONCE_BYTES)
        content = _CONTENT.pack(now, version) + _packed(host)
        return MARK + nonce + self._aead.encrypt(nonce, content, MARK)

    def holds(self, token: bytes, host: str, now: float, version: int) -> bool:
        """Whether a token is ours, for this address and version, and not too old.

        The version is part of it because of RFC 9369, 5.
        """
        if not token.startswith(MARK) or len(token) <= _SEALED_AT:
            return False
        try:
            content = self._aead.decrypt(token[len(MARK) : _SEALED_AT], token[_SEALED_AT:], MARK)
        except InvalidTag:
            return False
        made_at, made_for = _CONTENT.unpack_from(content)
        return (
            content[_CONTENT.size :] == _packed(host)
            and made_for == version
            and 0 <= now - made_at <= LIFETIME_S
        )


class NewToken(QuicConnection):
    """A connection that gives a token to its client."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._make_token: Callable[[int], bytes] | None = None
        self._token_to_give = b""
        self._tokens_received: deque[bytes] = deque(maxlen=TOKENS_REMEMBERED)

    def give_token(self, make: Callable[[int], bytes]) -> None:
        """Server: send a token once the handshake is complete, until it has arrived.

        Args:
            make: Makes it, for the version that was negotiated.
        """
        self._make_token = make

    def trust_address(self) -> None:
        """Server: the client came with a token, so its address needs no other proof."""
        for path in self._network_paths:
            path.is_validated = True

    def _handle_new_token_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        start = buf.tell()
        token = buf.pull_bytes(buf.pull_uint_var())
        if self._is_client and not token:
            raise QuicConnectionError(  # RFC 9000, 19.7
                error_code=QuicErrorCode.FRAME_ENCODING_ERROR,
                frame_type=frame_type,
                reason_phrase="the token is empty",
            )
        if token in self._tokens_received:
            return  # of a packet that was only thought to be lost (RFC 9000, 19.7)
        self._tokens_received.append(token)
        buf.seek(start)
        super()._handle_new_token_frame(context, frame_type, buf)

    def _write_handshake_done_frame(self, builder: QuicPacketBuilder) -> None:
        """Write HANDSHAKE_DONE, and NEW_TOKEN with it; both again if the latter is lost."""
        super()._write_handshake_done_frame(builder)
        if self._make_token is not None:
            assert self._version is not None
            self._token_to_give = self._make_token(self._version)
            self._make_token = None
        token = self._token_to_give
        if not token:
            return
        frame = builder.start_frame(
            QuicFrameType.NEW_TOKEN,
            capacity=1 + size_uint_var(len(token)) + len(token),
            handler=self._on_token_delivery,
            handler_args=(token,),
        )
        frame.push_uint_var(len(token))
        frame.push_bytes(token)
        self._token_to_give = b""
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(self._quic_logger.encode_new_token_frame(token))

    def _on_token_delivery(self, delivery: QuicDeliveryState, token: bytes) -> None:
        if delivery is not QuicDeliveryState.ACKED:
            self._token_to_give = token
            self._handshake_done_pending = True


def _packed(host: str) -> bytes:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.packed
    return address.packed
