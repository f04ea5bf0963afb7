"""The peer's transport parameters (RFC 9000, 7.4 and 18.2): what aioquic lets pass."""

from __future__ import annotations

from typing import Any, NoReturn

from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicConnection, QuicConnectionError
from aioquic.quic.packet import STATELESS_RESET_TOKEN_SIZE, QuicErrorCode, QuicFrameType

STATELESS_RESET_TOKEN = 0x02
MAX_UDP_PAYLOAD_SIZE = 0x03
ACK_DELAY_EXPONENT = 0x0A
DISABLE_ACTIVE_MIGRATION = 0x0C
PREFERRED_ADDRESS = 0x0D
GREASE_QUIC_BIT = 0x2AB2
"""RFC 9287, 3."""

_LENGTHS = {
    STATELESS_RESET_TOKEN: STATELESS_RESET_TOKEN_SIZE,
    GREASE_QUIC_BIT: 0,
}
"""Parameters whose length is fixed, and which aioquic takes at any length, or does not know."""


def parameter_values(data: bytes) -> dict[int, bytes]:
    """The parameters of a well-formed extension, by their identifier.

    Raises:
        QuicConnectionError: One is there twice (RFC 9000, 7.4); aioquic takes the last.
    """
    buf = Buffer(data=data)
    values: dict[int, bytes] = {}
    while not buf.eof():
        identifier = buf.pull_uint_var()
        if identifier in values:
            _refuse(f"transport parameter {identifier:#x} is there twice")
        values[identifier] = buf.pull_bytes(buf.pull_uint_var())
    return values


class TransportParameters(QuicConnection):
    """A connection that knows what its peer announced, and refuses more of it than aioquic."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.peer_parameters: dict[int, bytes] = {}
        """What the peer announced on this connection, by identifier; empty until it has."""

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        if not self._remote_max_idle_timeout:
            # RFC 9000, 18.2: 0 is no timeout. aioquic takes it for one of no time at all.
            self._remote_max_idle_timeout = None
        if from_session_ticket:
            return
        values = parameter_values(data)
        for identifier, length in _LENGTHS.items():
            if len(values.get(identifier, bytes(length))) != length:
                _refuse(f"transport parameter {identifier:#x} is not {length} bytes")
        self.peer_parameters = values
        exponent = self.peer_integer(ACK_DELAY_EXPONENT)
        if exponent is not None:
            # aioquic assigns its own attribute to itself.
            self._remote_ack_delay_exponent = exponent

    def peer_integer(self, identifier: int) -> int | None:
        """The value of a parameter that is an integer; None if the peer left it out."""
        value = self.peer_parameters.get(identifier)
        return None if value is None else Buffer(data=value).pull_uint_var()


def _refuse(reason: str) -> NoReturn:
    raise QuicConnectionError(
        error_code=QuicErrorCode.TRANSPORT_PARAMETER_ERROR,
        frame_type=QuicFrameType.CRYPTO,
        reason_phrase=reason,
    )
