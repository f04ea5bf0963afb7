from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.middlebox.version_negotiation import is_version_negotiation

VERSION_NEGOTIATION = b"\x80" + bytes(4) + b"\0\0" + b"\0\0\0\1"


@given(st.binary(max_size=30))
def test_only_a_long_header_with_version_zero_is_one(data: bytes) -> None:
    expected = len(data) >= 7 and data[0] >= 0x80 and not any(data[1:5])
    assert is_version_negotiation(data) == expected


def test_a_version_negotiation_of_aioquic_is_one() -> None:
    assert is_version_negotiation(VERSION_NEGOTIATION)
    assert not is_version_negotiation(VERSION_NEGOTIATION[:6])
    assert not is_version_negotiation(b"\x40" + VERSION_NEGOTIATION[1:])
