"""Transport parameters as a list that can be altered (RFC 9000, 18)."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from aioquic._buffer import Buffer

from quicmatrix.endpoint.tester.frames import varint

Parameters = list[tuple[int, bytes]]
"""Identifier and value of each, in order."""
Alteration = Callable[[Parameters], Parameters]


class Parameter(IntEnum):
    """RFC 9000, 18.2; RFC 9221, 3; RFC 9287, 3; RFC 9368, 3."""

    ORIGINAL_DESTINATION_CONNECTION_ID = 0x00
    MAX_IDLE_TIMEOUT = 0x01
    STATELESS_RESET_TOKEN = 0x02
    MAX_UDP_PAYLOAD_SIZE = 0x03
    INITIAL_MAX_DATA = 0x04
    INITIAL_MAX_STREAM_DATA_BIDI_LOCAL = 0x05
    INITIAL_MAX_STREAM_DATA_BIDI_REMOTE = 0x06
    INITIAL_MAX_STREAM_DATA_UNI = 0x07
    INITIAL_MAX_STREAMS_BIDI = 0x08
    INITIAL_MAX_STREAMS_UNI = 0x09
    ACK_DELAY_EXPONENT = 0x0A
    MAX_ACK_DELAY = 0x0B
    DISABLE_ACTIVE_MIGRATION = 0x0C
    PREFERRED_ADDRESS = 0x0D
    ACTIVE_CONNECTION_ID_LIMIT = 0x0E
    INITIAL_SOURCE_CONNECTION_ID = 0x0F
    RETRY_SOURCE_CONNECTION_ID = 0x10
    VERSION_INFORMATION = 0x11
    MAX_DATAGRAM_FRAME_SIZE = 0x20
    GREASE_QUIC_BIT = 0x2AB2


def parsed(data: bytes) -> Parameters:
    """The parameters of an extension."""
    buf = Buffer(data=data)
    parameters = []
    while not buf.eof():
        identifier = buf.pull_uint_var()
        parameters.append((identifier, buf.pull_bytes(buf.pull_uint_var())))
    return parameters


def encoded(parameters: Parameters) -> bytes:
    """The extension of parameters."""
    return b"".join(
        varint(identifier) + varint(len(value)) + value for identifier, value in parameters
    )


def without(identifier: int) -> Alteration:
    """Leave one out."""
    return lambda parameters: [one for one in parameters if one[0] != identifier]


def replaced(identifier: int, value: bytes | int) -> Alteration:
    """Give one another value, or add it."""
    data = varint(value) if isinstance(value, int) else value
    return lambda parameters: [*without(identifier)(parameters), (identifier, data)]


def added(identifier: int, value: bytes | int) -> Alteration:
    """Add one, though it may be there already."""
    data = varint(value) if isinstance(value, int) else value
    return lambda parameters: [*parameters, (identifier, data)]


def all_of(*alterations: Alteration) -> Alteration:
    """One after the other."""

    def alter(parameters: Parameters) -> Parameters:
        for one in alterations:
            parameters = one(parameters)
        return parameters

    return alter


def preferred_address(connection_id: bytes) -> bytes:
    """The value of preferred_address, without an address of either family (RFC 9000, 18.2)."""
    return bytes(4 + 2 + 16 + 2) + bytes([len(connection_id)]) + connection_id + bytes(range(16))


def version_information(chosen: int, *available: int) -> bytes:
    """The value of version_information (RFC 9368, 3)."""
    return b"".join(version.to_bytes(4) for version in (chosen, *available))


def reserved(number: int) -> int:
    """The n-th identifier that exercises the rule on unknown ones (RFC 9000, 18.1)."""
    return 31 * number + 27
