from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.reader import MalformedError, Reader


@pytest.mark.parametrize(
    ("encoded", "value"),
    [  # RFC 9000, A.1
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
        ("4025", 37),
    ],
)
def test_varint(encoded: str, value: int) -> None:
    reader = Reader(bytes.fromhex(encoded))
    assert reader.varint() == value
    assert reader.remaining == 0


def test_opaque_and_rest() -> None:
    reader = Reader(b"\x02abcd")
    assert (reader.opaque(1), reader.position, reader.rest()) == (b"ab", 3, b"cd")


def test_skip_zeros() -> None:
    reader = Reader(b"\0\0\x01\0")
    assert reader.skip_zeros() == 2
    assert reader.uint(1) == 1
    assert reader.skip_zeros() == 1
    assert reader.skip_zeros() == 0


@pytest.mark.parametrize("data", [b"", b"\x40", b"\xc0\0\0\0\0\0\0"])
def test_a_varint_that_is_cut_off(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Reader(data).varint()


def test_more_than_there_is() -> None:
    with pytest.raises(MalformedError, match="3 bytes are announced, 2 are there"):
        Reader(b"ab").take(3)


@given(st.integers(0, (1 << 62) - 1), st.sampled_from([1, 2, 4, 8]))
def test_every_varint_is_read_back(value: int, size: int) -> None:
    if value >= 1 << (8 * size - 2):
        return
    prefix = {1: 0, 2: 1, 4: 2, 8: 3}[size] << (8 * size - 2)
    assert Reader((prefix | value).to_bytes(size)).varint() == value
