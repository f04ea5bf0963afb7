"""A random number generator whose numbers depend on seed, direction and datagram index only.

A generator with a state would give other numbers as soon as the two directions interleave
differently. Here each number is a hash, so the n-th datagram of a direction gets the same numbers
in every repetition, whatever the endpoints did before.
"""

from __future__ import annotations

from enum import IntEnum

from quicmatrix.runner.network.impairments.fate import Direction

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_STREAM = {Direction.TO_CLIENT: 1, Direction.TO_SERVER: 2}


class Purpose(IntEnum):
    """What a number decides; the numbers of different purposes are independent of each other."""

    CHOICE = 0
    """Whether the datagram is impaired."""
    OFFSET = 1
    """Which of its bytes is corrupted."""
    VALUE = 2
    """What that byte becomes."""
    PORT = 3
    """Which port a NAT gives to a flow."""
    ADDRESS = 4
    """Which address a NAT has."""


def random_below(
    seed: int,
    direction: Direction,
    index: int,
    limit: int,
    purpose: Purpose = Purpose.CHOICE,
) -> int:
    """A number in 0..limit-1."""
    key = _mix(_mix(seed + _GOLDEN) + _STREAM[direction] + (purpose << 8))
    return _mix(key + index * _GOLDEN) * limit >> 64


def _mix(value: int) -> int:
    """The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable generators, 2014)."""
    value &= _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
