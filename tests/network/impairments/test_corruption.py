from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.corruption import REACH, CorruptRate
from quicmatrix.runner.network.impairments.fate import PASSED, Copy, Direction, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.middlebox.frame import headers
from quicmatrix.runner.network.topology import CLIENT, SERVER
from tests.support import frames

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER

seeds = st.integers(0, 1 << 64)
payloads = st.binary(min_size=1, max_size=120)


def pattern(seed: int, percent: int = 99) -> LossPattern:
    return LossPattern(dict.fromkeys(Direction, percent), dict.fromkeys(Direction, None), seed)


def arrival(index: int | None, frame: bytes, direction: Direction = TO_CLIENT) -> Arrival:
    found = headers(frame)
    assert found is not None
    return Arrival(direction, index, 0, frame, found)


def copy(seed: int, index: int, frame: bytes) -> Copy:
    fate = CorruptRate(pattern(seed)).fate(arrival(index, frame))
    assert isinstance(fate, Replaced)
    (one,) = fate.copies
    return one


@given(seeds, st.integers(1, 1000), payloads, st.booleans(), st.binary(max_size=4))
def test_one_byte_of_the_first_51_changes_and_the_checksum_is_right(
    seed: int, index: int, payload: bytes, is_ipv6: bool, padding: bytes
) -> None:
    assume(pattern(seed).affects(TO_CLIENT, index))
    assume(payload[:1] < b"\x80")
    addresses = (CLIENT.ipv6, SERVER.ipv6) if is_ipv6 else (CLIENT.ipv4, SERVER.ipv4)
    frame = frames.udp(payload, *addresses)
    one = copy(seed, index, frame + padding)
    match = re.fullmatch(r"byte (\d+) changed from 0x(..) to 0x(..)", one.change)
    assert match is not None
    offset, old, new = int(match[1]), int(match[2], 16), int(match[3], 16)
    assert offset < min(REACH, len(payload))
    assert old == payload[offset] != new
    damaged = payload[:offset] + bytes([new]) + payload[offset + 1 :]
    assert one.frame == frames.udp(damaged, *addresses) + padding
    assert one.delay_ns == 0


@given(seeds, st.integers(1, 1000), st.binary(min_size=51, max_size=51), st.binary(min_size=51))
def test_offset_and_value_depend_on_the_datagrams_number(
    seed: int, index: int, first: bytes, second: bytes
) -> None:
    assume(pattern(seed).affects(TO_CLIENT, index))
    assume(first[0] < 0x80 and second[0] < 0x80)
    changes = [copy(seed, index, frames.udp(one)).change.split() for one in (first, second)]
    assert changes[0][1] == changes[1][1]
    values = {int(words[-1], 16) for words in changes}
    # But for a byte that already had that value: nothing would have changed.
    assert len(values) == 1 or max(values) - min(values) in {1, 255}


def test_offsets_and_values_are_evenly_distributed() -> None:
    changes = [
        copy(3, index, frames.udp(bytes(60))).change.split()
        for index in range(1, 20_001)
        if pattern(3).affects(TO_CLIENT, index)
    ]
    assert {int(words[1]) for words in changes} == set(range(51))
    assert {int(words[-1], 16) for words in changes} == set(range(1, 256))


@given(seeds, st.integers(0, 99))
def test_it_affects_the_datagrams_that_drop_rate_drops(seed: int, percent: int) -> None:
    frame = frames.udp(b"\x40 a short header")
    for direction in Direction:
        for index in range(1, 30):
            one = CorruptRate(pattern(seed, percent)).fate(arrival(index, frame, direction))
            assert (one != PASSED) == pattern(seed, percent).affects(direction, index)


@pytest.mark.parametrize(
    "payload",
    [b"\x80" + bytes(4) + b"\0\0" + b"\0\0\0\1", b"\xff\0\0\0\0\x08" + bytes(30), b""],
)
def test_a_version_negotiation_and_an_empty_datagram_are_never_corrupted(payload: bytes) -> None:
    for index in range(1, 200):
        assert CorruptRate(pattern(1)).fate(arrival(index, frames.udp(payload))) == PASSED


def test_other_packets_are_never_corrupted() -> None:
    frame = frames.ipv4(bytes(40), protocol=6)
    assert CorruptRate(pattern(1)).fate(arrival(None, frame)) == PASSED
