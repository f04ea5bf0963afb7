from __future__ import annotations

import pytest

from quicmatrix.testcases.model import Inconclusive
from quicmatrix.testcases.shared.fates import Fate, fate
from tests.support.story import client, trace


@pytest.mark.parametrize(
    ("comment", "expected", "damaged"),
    [
        ("#12 delivered after 15.1 ms", Fate(12, "", ""), False),
        ("#3 dropped: blackhole", Fate(3, "blackhole", ""), False),
        ("#3 dropped: queue full", Fate(3, "queue full", ""), False),
        (
            "#7 delivered after 16.0 ms, byte 4 changed from 0x00 to 0x2a",
            Fate(7, "", "byte 4 changed from 0x00 to 0x2a"),
            True,
        ),
        (
            "#7 again delivered after 16.0 ms, source now 193.167.0.7:50000",
            Fate(7, "", "source now 193.167.0.7:50000"),
            False,
        ),
    ],
)
def test_what_the_middlebox_says(comment: str, expected: Fate, damaged: bool) -> None:
    (datagram,) = trace(client.initial().told(comment)).left.datagrams
    assert fate(datagram) == expected
    assert fate(datagram).is_damaged is damaged


@pytest.mark.parametrize("comment", ["", "#12", "a nice datagram", "#12 delivered after all"])
def test_other_comments_tell_nothing(comment: str) -> None:
    (datagram,) = trace(client.initial().told(comment)).left.datagrams
    with pytest.raises(Inconclusive, match="left capture does not tell what became of frame 1"):
        fate(datagram)
