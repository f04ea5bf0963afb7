from __future__ import annotations

import pytest

from quicmatrix.testcases.views.differences import first_difference


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        (b"", b"", ""),
        (b"same", b"same", ""),
        (b"token", b"tokeN", "at offset 4 of 5 bytes is 0x4e instead of 0x6e"),
        (b"token", b"tok", "at offset 3 of 5 bytes is nothing instead of 0x65"),
        (b"tok", b"token", "at offset 3 of 3 bytes is 0x65 instead of nothing"),
    ],
)
def test_the_first_difference_in_words(wanted: bytes, found: bytes, words: str) -> None:
    assert first_difference(wanted, found) == words
