from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.headers import Header, parse_header
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, PacketType
from quicmatrix.runner.trace.reader import MalformedError

CIDS = b"\x02dd\x03sss"


def long_header(first: int, version: int = VERSION_1, rest: bytes = b"") -> bytes:
    return bytes([first]) + version.to_bytes(4) + CIDS + rest


@pytest.mark.parametrize(
    ("first", "version", "expected"),
    [
        (0xC0, VERSION_1, PacketType.INITIAL),
        (0xD0, VERSION_1, PacketType.ZERO_RTT),
        (0xE0, VERSION_1, PacketType.HANDSHAKE),
        (0xD0, VERSION_2, PacketType.INITIAL),
        (0xE0, VERSION_2, PacketType.ZERO_RTT),
        (0xF0, VERSION_2, PacketType.HANDSHAKE),
    ],
)
def test_long_packet_types(first: int, version: int, expected: PacketType) -> None:
    token = b"\x05token" if expected is PacketType.INITIAL else b""
    header = parse_header(long_header(first, version, token + b"\x40\x19..."), 0)
    offset = 5 + len(CIDS) + len(token) + 2
    assert header == Header(
        expected, version, b"dd", b"sss", token[1:], packet_number_offset=offset, size=offset + 25
    )


@pytest.mark.parametrize(("first", "version"), [(0xF0, VERSION_1), (0xC0, VERSION_2)])
def test_retry(first: int, version: int) -> None:
    header = parse_header(long_header(first, version, b"the token" + bytes(16)), 0)
    assert header == Header(PacketType.RETRY, version, b"dd", b"sss", b"the token")


def test_version_negotiation() -> None:
    header = parse_header(long_header(0x8F, 0, VERSION_2.to_bytes(4) + b"\0\0\0\x01"), 0)
    assert header.type is PacketType.VERSION_NEGOTIATION
    assert header.supported_versions == (VERSION_2, VERSION_1)


def test_short_header() -> None:
    header = parse_header(b"\x40abcdefgh", 4)
    assert header == Header(PacketType.ONE_RTT, None, b"abcd", None, packet_number_offset=5)


@pytest.mark.parametrize(("first", "rest"), [(0x00, b"dcid.."), (0x80, b"\0\0\0\1\1d\1s\0\x02..")])
def test_the_quic_bit_changes_nothing_else(first: int, rest: bytes) -> None:
    """RFC 9287: an endpoint may clear it."""
    cleared = parse_header(bytes([first]) + rest, 4)
    assert not cleared.fixed_bit
    assert replace(cleared, fixed_bit=True) == parse_header(bytes([first | 0x40]) + rest, 4)


def test_a_retry_without_room_for_its_tag() -> None:
    with pytest.raises(MalformedError):
        parse_header(long_header(0xF0, rest=bytes(15)), 0)


@given(st.binary(max_size=64), st.integers(0, 20))
def test_any_bytes_are_a_header_or_malformed(data: bytes, dcid_length: int) -> None:
    try:
        header = parse_header(data, dcid_length)
    except MalformedError:
        return
    assert len(header.dcid) + len(header.scid or b"") < len(data)
