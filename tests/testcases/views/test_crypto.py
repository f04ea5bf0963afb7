from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Crypto
from quicmatrix.testcases.model import Inconclusive
from quicmatrix.testcases.views.crypto import KEPT, CryptoBytes, with_bytes
from tests.support.story import client, crypto, trace


def test_bytes_are_compared_at_their_offsets() -> None:
    stream = CryptoBytes()
    stream.add(crypto("cdef", offset=2))
    stream.add(crypto("ab"))
    assert not stream.contradicts(crypto("abcdef"))
    assert not stream.contradicts(crypto("efgh", offset=4))
    assert stream.contradicts(crypto("abcdeX"))


def test_the_first_bytes_seen_stay() -> None:
    stream = CryptoBytes()
    stream.add(crypto("ab"))
    stream.add(crypto("XY"))
    assert stream.contradicts(crypto("XY"))


def test_only_the_start_is_kept() -> None:
    stream = CryptoBytes()
    stream.add(crypto(bytes(4), offset=KEPT - 2))
    stream.add(crypto(bytes(4), offset=KEPT + 2))
    assert sorted(stream.known) == [KEPT - 2, KEPT - 1]


def test_data_that_was_not_kept_cannot_be_compared() -> None:
    (packet,) = trace(client.initial()).left.packets
    assert list(with_bytes([(packet, crypto("a"))])) == [(packet, crypto("a"))]
    with pytest.raises(Inconclusive, match=r"the CRYPTO data of Initial 0 \(frame 1 left\)"):
        list(with_bytes([(packet, Crypto(0, 5))]))
