from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.crypto_stream import MAX_BUFFERED, CryptoStream
from quicmatrix.runner.trace.model import Crypto, OtherTlsMessage


def message(handshake_type: int, size: int) -> bytes:
    return bytes([handshake_type]) + size.to_bytes(3) + bytes([handshake_type]) * size


def frame(data: bytes, start: int, end: int) -> Crypto:
    return Crypto(start, end - start, data[start:end])


FLIGHT = message(11, 50) + message(15, 30) + message(20, 10)
"""Ends at 54, 88 and 102."""
CERTIFICATE, VERIFY, FINISHED = (OtherTlsMessage(number) for number in (11, 15, 20))


def test_messages_are_in_the_packets_that_hold_their_last_bytes() -> None:
    stream = CryptoStream()
    assert stream.add([frame(FLIGHT, 0, 53)]) == ()
    assert stream.add([frame(FLIGHT, 53, 90)]) == (CERTIFICATE, VERIFY)
    assert stream.add([frame(FLIGHT, 90, 102)]) == (FINISHED,)


def test_frames_out_of_order_in_one_packet() -> None:
    stream = CryptoStream()
    frames = [frame(FLIGHT, 60, 102), frame(FLIGHT, 0, 20), frame(FLIGHT, 20, 60)]
    assert stream.add(frames) == (CERTIFICATE, VERIFY, FINISHED)


def test_a_gap_that_is_filled_later() -> None:
    stream = CryptoStream()
    assert stream.add([frame(FLIGHT, 40, 102)]) == ()
    assert stream.add([frame(FLIGHT, 0, 40)]) == (CERTIFICATE, VERIFY, FINISHED)


def test_what_is_sent_again_is_found_again() -> None:
    stream = CryptoStream()
    assert stream.add([frame(FLIGHT, 0, 102)]) == (CERTIFICATE, VERIFY, FINISHED)
    assert stream.add([frame(FLIGHT, 50, 90)]) == (CERTIFICATE, VERIFY)
    assert stream.add([frame(FLIGHT, 10, 50)]) == ()


def test_overlap() -> None:
    stream = CryptoStream()
    assert stream.add([frame(FLIGHT, 0, 60)]) == (CERTIFICATE,)
    assert stream.add([frame(FLIGHT, 30, 95)]) == (CERTIFICATE, VERIFY)
    assert stream.add([frame(FLIGHT, 88, 102)]) == (FINISHED,)


def test_other_data_begins_a_new_stream() -> None:
    stream = CryptoStream()
    assert stream.add([frame(FLIGHT, 0, 54)]) == (CERTIFICATE,)
    changed = message(20, 10)
    assert stream.add([Crypto(0, len(changed), changed)]) == (FINISHED,)
    assert stream.first_message == changed


def test_the_first_message() -> None:
    stream = CryptoStream()
    stream.add([frame(FLIGHT, 0, 30)])
    assert stream.first_message == b""
    stream.add([frame(FLIGHT, 30, 102)])
    assert stream.first_message == FLIGHT[:54]


def test_what_lies_too_far_ahead_is_not_kept() -> None:
    stream = CryptoStream()
    assert stream.add([Crypto(MAX_BUFFERED, 1, b"x"), Crypto(1 << 61, 1, b"x")]) == ()
    assert stream.add([frame(FLIGHT, 0, 102)]) == (CERTIFICATE, VERIFY, FINISHED)


@given(st.lists(st.integers(1, 101), unique=True), st.randoms(use_true_random=False))
def test_any_cut_in_any_order(cuts: list[int], rng: random.Random) -> None:
    edges = [0, *sorted(cuts), 102]
    frames = [frame(FLIGHT, a, b) for a, b in pairwise(edges)]
    rng.shuffle(frames)
    stream = CryptoStream()
    found = [each for one in frames for each in stream.add([one])]
    assert found == [CERTIFICATE, VERIFY, FINISHED]


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=12))))
def test_any_frames_never_raise(pieces: list[tuple[int, bytes]]) -> None:
    stream = CryptoStream()
    for offset, data in pieces:
        stream.add([Crypto(offset, len(data), data)])
    assert len(stream.first_message) <= 52
