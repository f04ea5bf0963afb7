"""Frames as bytes (RFC 9000, 19; RFC 9221, 4). Nothing is checked: a script may want it wrong."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from aioquic.buffer import encode_uint_var

LARGEST = (1 << 62) - 1
"""The largest value of a variable-length integer (RFC 9000, 16)."""
MOST_STREAMS = 1 << 60
"""The largest number of streams that a frame may say (RFC 9000, 4.6)."""


class FrameType(IntEnum):
    """RFC 9000, 19."""

    PADDING = 0x00
    PING = 0x01
    ACK = 0x02
    ACK_ECN = 0x03
    RESET_STREAM = 0x04
    STOP_SENDING = 0x05
    CRYPTO = 0x06
    NEW_TOKEN = 0x07
    STREAM = 0x08
    MAX_DATA = 0x10
    MAX_STREAM_DATA = 0x11
    MAX_STREAMS_BIDI = 0x12
    MAX_STREAMS_UNI = 0x13
    DATA_BLOCKED = 0x14
    STREAM_DATA_BLOCKED = 0x15
    STREAMS_BLOCKED_BIDI = 0x16
    STREAMS_BLOCKED_UNI = 0x17
    NEW_CONNECTION_ID = 0x18
    RETIRE_CONNECTION_ID = 0x19
    PATH_CHALLENGE = 0x1A
    PATH_RESPONSE = 0x1B
    CONNECTION_CLOSE = 0x1C
    APPLICATION_CLOSE = 0x1D
    HANDSHAKE_DONE = 0x1E
    DATAGRAM = 0x30
    DATAGRAM_WITH_LENGTH = 0x31


def varint(value: int, size: int | None = None) -> bytes:
    """A variable-length integer (RFC 9000, 16).

    Args:
        value: Up to :data:`LARGEST`.
        size: 1, 2, 4 or 8 bytes, if not the shortest.
    """
    if size is None:
        return encode_uint_var(value)
    return (value | {1: 0, 2: 1, 4: 2, 8: 3}[size] << (8 * size - 2)).to_bytes(size)


def frame(*parts: int | bytes) -> bytes:
    """Variable-length integers and byte strings, one after the other."""
    return b"".join(part if isinstance(part, bytes) else varint(part) for part in parts)


def padding(size: int) -> bytes:
    """RFC 9000, 19.1."""
    return bytes(size)


def ping() -> bytes:
    """RFC 9000, 19.2."""
    return frame(FrameType.PING)


def ack(
    largest: int,
    first_range: int = 0,
    further: Sequence[tuple[int, int]] = (),
    *,
    delay: int = 0,
    ecn: tuple[int, int, int] | None = None,
) -> bytes:
    """RFC 9000, 19.3.

    Args:
        largest: The largest packet number.
        first_range: How many before it, without a gap.
        further: Gap and length of each further range, as they are encoded.
        delay: As it is encoded.
        ecn: The counts of ECT(0), ECT(1) and CE, which make it one of type 0x03.
    """
    kind = FrameType.ACK if ecn is None else FrameType.ACK_ECN
    ranges = [value for gap_and_length in further for value in gap_and_length]
    return frame(kind, largest, delay, len(further), first_range, *ranges, *(ecn or ()))


def reset_stream(stream_id: int, error_code: int, final_size: int) -> bytes:
    """RFC 9000, 19.4."""
    return frame(FrameType.RESET_STREAM, stream_id, error_code, final_size)


def stop_sending(stream_id: int, error_code: int) -> bytes:
    """RFC 9000, 19.5."""
    return frame(FrameType.STOP_SENDING, stream_id, error_code)


def crypto(data: bytes, offset: int = 0, *, length: int | None = None) -> bytes:
    """RFC 9000, 19.6; ``length`` is what the frame says, if not the truth."""
    return frame(FrameType.CRYPTO, offset, len(data) if length is None else length, data)


def new_token(token: bytes) -> bytes:
    """RFC 9000, 19.7."""
    return frame(FrameType.NEW_TOKEN, len(token), token)


def stream(
    stream_id: int, data: bytes = b"", offset: int = 0, *, fin: bool = False, length: int = -1
) -> bytes:
    """RFC 9000, 19.8, with offset and length; ``length`` is what it says, if not the truth."""
    said = len(data) if length < 0 else length
    return frame(FrameType.STREAM | 0x06 | fin, stream_id, offset, said, data)


def max_data(maximum: int) -> bytes:
    """RFC 9000, 19.9."""
    return frame(FrameType.MAX_DATA, maximum)


def max_stream_data(stream_id: int, maximum: int) -> bytes:
    """RFC 9000, 19.10."""
    return frame(FrameType.MAX_STREAM_DATA, stream_id, maximum)


def max_streams(maximum: int, *, unidirectional: bool = False) -> bytes:
    """RFC 9000, 19.11."""
    return frame(FrameType.MAX_STREAMS_BIDI + unidirectional, maximum)


def data_blocked(maximum: int) -> bytes:
    """RFC 9000, 19.12."""
    return frame(FrameType.DATA_BLOCKED, maximum)


def stream_data_blocked(stream_id: int, maximum: int) -> bytes:
    """RFC 9000, 19.13."""
    return frame(FrameType.STREAM_DATA_BLOCKED, stream_id, maximum)


def streams_blocked(maximum: int, *, unidirectional: bool = False) -> bytes:
    """RFC 9000, 19.14."""
    return frame(FrameType.STREAMS_BLOCKED_BIDI + unidirectional, maximum)


def new_connection_id(
    sequence: int, connection_id: bytes, token: bytes, *, retire_prior_to: int = 0
) -> bytes:
    """RFC 9000, 19.15."""
    return frame(
        FrameType.NEW_CONNECTION_ID,
        sequence,
        retire_prior_to,
        bytes([len(connection_id)]),
        connection_id,
        token,
    )


def retire_connection_id(sequence: int) -> bytes:
    """RFC 9000, 19.16."""
    return frame(FrameType.RETIRE_CONNECTION_ID, sequence)


def path_challenge(data: bytes) -> bytes:
    """RFC 9000, 19.17."""
    return frame(FrameType.PATH_CHALLENGE, data)


def path_response(data: bytes) -> bytes:
    """RFC 9000, 19.18."""
    return frame(FrameType.PATH_RESPONSE, data)


def connection_close(error_code: int, *, frame_type: int = 0, reason: bytes = b"") -> bytes:
    """RFC 9000, 19.19, of the transport."""
    return frame(FrameType.CONNECTION_CLOSE, error_code, frame_type, len(reason), reason)


def application_close(error_code: int, reason: bytes = b"") -> bytes:
    """RFC 9000, 19.19, of the application."""
    return frame(FrameType.APPLICATION_CLOSE, error_code, len(reason), reason)


def handshake_done() -> bytes:
    """RFC 9000, 19.20."""
    return frame(FrameType.HANDSHAKE_DONE)


def datagram(data: bytes) -> bytes:
    """RFC 9221, 4, with a length."""
    return frame(FrameType.DATAGRAM_WITH_LENGTH, len(data), data)
