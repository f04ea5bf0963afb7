"""HTTP/3 from the bytes of streams."""

from __future__ import annotations

import contextlib

import pylsqpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.runner.trace.model import Stream
from quicmatrix.testcases.conformance import h3
from tests.support.story import client, trace


def response(code: bytes) -> bytes:
    """A HEADERS frame as an encoder with Huffman coding makes it."""
    return http3.headers([(b":status", code), (b"content-length", b"5")])


@pytest.mark.parametrize("code", [*range(100, 1000, 37), 200, 404, 999])
def test_status(code: int) -> None:
    assert h3.section_status(http3.field_section([(b":status", b"%d" % code)])) == code


def test_status_with_name_reference_without_huffman() -> None:
    reference = qpack.integer(24, 4, 0x50) + qpack.string(b"418")
    assert h3.section_status(qpack.prefix() + reference) == 418


def test_final_status() -> None:
    interim = http3.headers([(b":status", b"103")])
    unknown = http3.frame(http3.reserved(0), b"whatever")
    assert h3.status(unknown + interim + response(b"404") + response(b"200")) == 404
    assert h3.status(interim) is None
    assert h3.status(response(b"200")[:-1]) is None


@pytest.mark.parametrize(
    "section",
    [
        b"",
        b"\x02\x00\x80",
        qpack.prefix() + qpack.indexed(17),
        qpack.prefix() + qpack.literal(b":status", b"200"),
        qpack.prefix() + qpack.integer(24, 4, 0x50) + b"\x83abc",
        qpack.prefix() + qpack.integer(24, 4, 0x50) + b"\x03abc",
    ],
)
def test_unknown_status(section: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        h3.section_status(section)


@given(data=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    list(h3.frames(data))
    h3.stream_type(data)
    with contextlib.suppress(ValueError):
        h3.section_status(data)


def test_stream_in_pieces() -> None:
    pieces = [(3, b"def"), (0, b"abc"), (2, b"cdefg"), (9, b"beyond a gap")]
    sent = trace(*(client.one_rtt(Stream(4, at, len(data), False, data)) for at, data in pieces))
    assert h3.stream_bytes(sent.left.packets, 4) == b"abcdefg"
    assert h3.stream_bytes(sent.left.packets, 8) == b""


def test_dynamic_references() -> None:
    encoder = pylsqpack.Encoder()
    encoder.apply_settings(4096, 16)
    sections = [encoder.encode(0, [(b"x-name", b"value")])[1] for _ in range(3)]
    assert [h3.refers_to_dynamic_table(section) for section in sections][-1]
    assert not h3.refers_to_dynamic_table(http3.field_section([(b"x-name", b"value")]))
