"""QPACK as bytes, read by another implementation of it."""

from __future__ import annotations

import pylsqpack
import pytest

from quicmatrix.endpoint.tester import http3, qpack

FIELDS = [(b":status", b"200"), (b"x-name", b"v" * 300), (b"X-Upper", b"")]


@pytest.mark.parametrize(
    ("value", "prefix_bits", "encoded"),
    [
        (10, 5, "0a"),
        (1337, 5, "1f9a0a"),
        (31, 5, "1f00"),
        (42, 8, "2a"),
        ((1 << 62) - 1, 7, "7f80ffffffffffffff3f"),
    ],
)
def test_integers(value: int, prefix_bits: int, encoded: str) -> None:
    """RFC 7541, C.1, and the largest that must be decoded (RFC 9204, 4.1.1)."""
    assert qpack.integer(value, prefix_bits).hex() == encoded
    assert qpack.integer(value, 5, 0x20)[0] & 0xE0 == 0x20


def test_literal_fields() -> None:
    section = qpack.prefix() + qpack.literals(FIELDS)
    assert pylsqpack.Decoder(0, 0).feed_header(0, section)[1] == FIELDS


def test_indexed_fields() -> None:
    section = qpack.prefix() + qpack.indexed(25)
    assert pylsqpack.Decoder(0, 0).feed_header(0, section)[1] == [(b":status", b"200")]


def test_dynamic_table() -> None:
    decoder = pylsqpack.Decoder(4096, 16)
    decoder.feed_encoder(
        qpack.set_capacity(300)
        + qpack.insert(b"x-name", b"one")
        + qpack.insert_with_name(0, b"two", static=False)
        + qpack.insert_with_name(25, b"299")
        + qpack.duplicate(2)
    )
    references = b"".join(qpack.indexed(index, static=False) for index in range(4))
    section = qpack.prefix(qpack.encoded_count(4, 4096)) + references
    assert decoder.feed_header(0, section)[1] == [
        (b"x-name", b"one"),
        (b":status", b"299"),
        (b"x-name", b"two"),
        (b"x-name", b"one"),
    ]


def test_decoder_instructions() -> None:
    encoder = pylsqpack.Encoder()
    encoder.feed_decoder(qpack.stream_cancellation(400))
    for instruction in (
        qpack.insert_count_increment(1),
        qpack.section_acknowledgment(400),
    ):
        with pytest.raises(pylsqpack.DecoderStreamError):
            pylsqpack.Encoder().feed_decoder(instruction)


def test_settings() -> None:
    stream = http3.stream(http3.StreamKind.CONTROL, http3.settings((0x01, 4096), (0x33, 1)))
    assert http3.settings_in(stream) == {0x01: 4096, 0x33: 1}
    assert [http3.settings_in(stream[:size]) for size in range(len(stream))] == [None] * len(stream)
    assert http3.settings_in(http3.stream(http3.StreamKind.QPACK_ENCODER)) is None
    goaway = http3.identifier_frame(http3.H3Frame.GOAWAY, 0)
    assert http3.settings_in(http3.stream(http3.StreamKind.CONTROL, goaway)) is None


def test_requested_path() -> None:
    request = http3.headers(http3.request_fields("/file"))
    unknown = http3.frame(http3.reserved(0), b"whatever")
    assert http3.requested_path(unknown + request) == "/file"
    assert http3.requested_path(request[:-1]) == ""
    assert http3.requested_path(http3.frame(http3.H3Frame.HEADERS, b"\xff")) == ""
