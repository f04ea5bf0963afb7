"""Corruption: a byte of a datagram is changed and the checksum is corrected, so that it arrives.

As in quic-network-simulator, the byte is one of the first 51 of the UDP payload, so that it is
often in a QUIC header; and a Version Negotiation packet is never corrupted, since a client cannot
detect that. Unlike there, where the corrupted packet is dropped, it is delivered.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.network.impairments.fate import PASSED, Copy, Fate, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.impairments.rng import Purpose, random_below
from quicmatrix.runner.network.middlebox.frame import udp_payload, with_changed_checksum
from quicmatrix.runner.network.middlebox.version_negotiation import is_version_negotiation

REACH = 51
"""How many bytes of the payload can be changed."""


@dataclass(frozen=True, slots=True)
class CorruptRate:
    """Random corruption of UDP datagrams."""

    pattern: LossPattern

    def fate(self, arrival: Arrival) -> Fate:
        """Corrupted if the pattern affects it; offset and new value depend on the index, too."""
        direction, index = arrival.direction, arrival.index
        if index is None or not self.pattern.affects(direction, index):
            return PASSED
        start, end = udp_payload(arrival.headers)
        frame, length = arrival.frame, end - start
        if length <= 0 or is_version_negotiation(frame[start : start + 7]):
            return PASSED
        seed = self.pattern.seed
        offset = random_below(seed, direction, index, min(REACH, length), Purpose.OFFSET)
        at = start + offset
        old, new = frame[at], random_below(seed, direction, index, 256, Purpose.VALUE)
        if new == old:
            new = (new + 1) % 256
        changed = frame[:at] + bytes((new,)) + frame[at + 1 :]
        corrupted = with_changed_checksum(changed, arrival.headers, frame)
        return Replaced((Copy(corrupted, f"byte {offset} changed from {old:#04x} to {new:#04x}"),))
