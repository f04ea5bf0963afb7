from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.model import Ecn
from quicmatrix.runner.trace.tap_records import (
    DatagramRecord,
    EndRecord,
    FailureRecord,
    PacketRecord,
    TrailingBytesRecord,
    UnexpectedRecordError,
    VersionRecord,
    parse_record,
)

LINES = {
    "V\t3\t4.0.17": VersionRecord("4.0.17"),
    "D\t7\t0.2\t193.167.0.100\t50000\t193.167.100.100\t443\t2\t46\t0\t3\t#3 50%25 l%09\t00ff": (
        DatagramRecord(
            7, 0.2, "193.167.0.100", 50000, "193.167.100.100", 443, Ecn.ECT_0, 38, 0, 3,
            "#3 50% l\t", b"\0\xff",
        )
    ),
    "P\t38\t0\t8\t5\t1\t27\t7abc\t0b00": PacketRecord(38, 0, 8, 5, 1, 27, b"\x7a\xbc", b"\x0b\0"),
    "P\t60\t\t0\t\t\t\tffaa\t-": PacketRecord(60, None, 0, None, None, 0, b"\xff\xaa", None),
    "P\t60\t\t0\t\t\t\tffaa\t": PacketRecord(60, None, 0, None, None, 0, b"\xff\xaa", b""),
    "R\t0000": TrailingBytesRecord(b"\0\0"),
    "X\t9\tnil%20value": FailureRecord(9, "nil value"),
    "E\t11": EndRecord(11),
}  # fmt: skip


@pytest.mark.parametrize("text", LINES)
def test_record(text: str) -> None:
    assert parse_record(text) == LINES[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z\t1",
        "V\t2\t9.9",
        "V\t1",
        "E\televen",
        "E\t1\t2",
        "P\t38\t0\t8\t5\t1\t27\t7ab\t-",
        "D\t7\t0.2\t193.167.0.100\t50000\t193.167.100.100\t443\t4\t46\t0\t1\t\t",
        "D\t7\t0.2\t193.167.0.100\t50000\t193.167.100.100\t443\t2\t46\t0\t1\t",
        "X\t9",
    ],
)
def test_a_line_that_is_no_record(text: str) -> None:
    with pytest.raises(UnexpectedRecordError, match="printed"):
        parse_record(text)


@given(st.sampled_from(sorted(LINES)), st.data())
def test_a_damaged_line_raises_its_own_error_or_none(text: str, data: st.DataObject) -> None:
    characters = list(text[: data.draw(st.integers(0, len(text)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if characters:
            position = data.draw(st.integers(0, len(characters) - 1))
            characters[position] = data.draw(st.characters())
    try:
        parse_record("".join(characters))
    except UnexpectedRecordError:
        return


@given(st.text())
def test_any_text_raises_its_own_error_or_none(text: str) -> None:
    try:
        parse_record(text)
    except UnexpectedRecordError:
        return
