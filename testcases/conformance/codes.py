"""Error codes that a connection is closed with, and which may stand for which."""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.trace.model import ConnectionClose


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """An error code of the transport or, if ``application``, of HTTP/3 and QPACK."""

    name: str
    value: int
    application: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.value:#x})"

    def is_of(self, close: ConnectionClose) -> bool:
        """Whether a CONNECTION_CLOSE carries it."""
        return (close.application, close.error_code) == (self.application, self.value)


# RFC 9000, 20.1
NO_ERROR = ErrorCode("NO_ERROR", 0x00)
INTERNAL_ERROR = ErrorCode("INTERNAL_ERROR", 0x01)
CONNECTION_REFUSED = ErrorCode("CONNECTION_REFUSED", 0x02)
FLOW_CONTROL_ERROR = ErrorCode("FLOW_CONTROL_ERROR", 0x03)
STREAM_LIMIT_ERROR = ErrorCode("STREAM_LIMIT_ERROR", 0x04)
STREAM_STATE_ERROR = ErrorCode("STREAM_STATE_ERROR", 0x05)
FINAL_SIZE_ERROR = ErrorCode("FINAL_SIZE_ERROR", 0x06)
FRAME_ENCODING_ERROR = ErrorCode("FRAME_ENCODING_ERROR", 0x07)
TRANSPORT_PARAMETER_ERROR = ErrorCode("TRANSPORT_PARAMETER_ERROR", 0x08)
CONNECTION_ID_LIMIT_ERROR = ErrorCode("CONNECTION_ID_LIMIT_ERROR", 0x09)
PROTOCOL_VIOLATION = ErrorCode("PROTOCOL_VIOLATION", 0x0A)
INVALID_TOKEN = ErrorCode("INVALID_TOKEN", 0x0B)
APPLICATION_ERROR = ErrorCode("APPLICATION_ERROR", 0x0C)
CRYPTO_BUFFER_EXCEEDED = ErrorCode("CRYPTO_BUFFER_EXCEEDED", 0x0D)
KEY_UPDATE_ERROR = ErrorCode("KEY_UPDATE_ERROR", 0x0E)
VERSION_NEGOTIATION_ERROR = ErrorCode("VERSION_NEGOTIATION_ERROR", 0x11)
"""RFC 9368, 10.2."""


def crypto_error(alert: int, name: str) -> ErrorCode:
    """CRYPTO_ERROR with a TLS alert (RFC 9001, 4.8)."""
    return ErrorCode(f"CRYPTO_ERROR {name}", 0x100 + alert)


# RFC 8446, 6
UNEXPECTED_MESSAGE = crypto_error(10, "unexpected_message")
HANDSHAKE_FAILURE = crypto_error(40, "handshake_failure")
BAD_CERTIFICATE = crypto_error(42, "bad_certificate")
CERTIFICATE_UNKNOWN = crypto_error(46, "certificate_unknown")
ILLEGAL_PARAMETER = crypto_error(47, "illegal_parameter")
UNKNOWN_CA = crypto_error(48, "unknown_ca")
DECODE_ERROR = crypto_error(50, "decode_error")
DECRYPT_ERROR = crypto_error(51, "decrypt_error")
PROTOCOL_VERSION = crypto_error(70, "protocol_version")
MISSING_EXTENSION = crypto_error(109, "missing_extension")
UNSUPPORTED_EXTENSION = crypto_error(110, "unsupported_extension")
NO_APPLICATION_PROTOCOL = crypto_error(120, "no_application_protocol")

# RFC 9114, 8.1; RFC 9204, 6
H3_NO_ERROR = ErrorCode("H3_NO_ERROR", 0x100, application=True)
H3_GENERAL_PROTOCOL_ERROR = ErrorCode("H3_GENERAL_PROTOCOL_ERROR", 0x101, application=True)
H3_INTERNAL_ERROR = ErrorCode("H3_INTERNAL_ERROR", 0x102, application=True)
H3_STREAM_CREATION_ERROR = ErrorCode("H3_STREAM_CREATION_ERROR", 0x103, application=True)
H3_CLOSED_CRITICAL_STREAM = ErrorCode("H3_CLOSED_CRITICAL_STREAM", 0x104, application=True)
H3_FRAME_UNEXPECTED = ErrorCode("H3_FRAME_UNEXPECTED", 0x105, application=True)
H3_FRAME_ERROR = ErrorCode("H3_FRAME_ERROR", 0x106, application=True)
H3_EXCESSIVE_LOAD = ErrorCode("H3_EXCESSIVE_LOAD", 0x107, application=True)
H3_ID_ERROR = ErrorCode("H3_ID_ERROR", 0x108, application=True)
H3_SETTINGS_ERROR = ErrorCode("H3_SETTINGS_ERROR", 0x109, application=True)
H3_MISSING_SETTINGS = ErrorCode("H3_MISSING_SETTINGS", 0x10A, application=True)
H3_REQUEST_REJECTED = ErrorCode("H3_REQUEST_REJECTED", 0x10B, application=True)
H3_REQUEST_CANCELLED = ErrorCode("H3_REQUEST_CANCELLED", 0x10C, application=True)
H3_REQUEST_INCOMPLETE = ErrorCode("H3_REQUEST_INCOMPLETE", 0x10D, application=True)
H3_MESSAGE_ERROR = ErrorCode("H3_MESSAGE_ERROR", 0x10E, application=True)
QPACK_DECOMPRESSION_FAILED = ErrorCode("QPACK_DECOMPRESSION_FAILED", 0x200, application=True)
QPACK_ENCODER_STREAM_ERROR = ErrorCode("QPACK_ENCODER_STREAM_ERROR", 0x201, application=True)
QPACK_DECODER_STREAM_ERROR = ErrorCode("QPACK_DECODER_STREAM_ERROR", 0x202, application=True)


def generic_for(code: ErrorCode) -> tuple[ErrorCode, ...]:
    """The codes that an endpoint may use in place of a more specific one.

    RFC 9000, 11; RFC 9001, 4.8; RFC 9114, 8.
    """
    if code.application:
        return H3_GENERAL_PROTOCOL_ERROR, H3_INTERNAL_ERROR
    transport = PROTOCOL_VIOLATION, INTERNAL_ERROR
    if code.value >= 0x100:
        return *transport, HANDSHAKE_FAILURE, crypto_error(80, "internal_error")
    return transport
