"""Damage that arrives: a byte of a datagram is changed, and its checksums are made right again.

As in quic-network-simulator, the byte is one of the first 51 of the UDP payload, so that it often
hits a QUIC header; and a Version Negotiation packet is never damaged, since a client cannot tell a
damaged one from a real one. Unlike there, where the damaged packet is then dropped, the endpoint
has to cope with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.network.impairments.fate import PASSED, Copy, Fate, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import Chance
from quicmatrix.runner.network.impairments.rng import Purpose, roll
from quicmatrix.runner.network.middlebox.frame import udp_payload, with_checksum
from quicmatrix.runner.network.middlebox.version_negotiation import is_version_negotiation

REACH = 51
"""How many bytes of the payload can be hit."""


@dataclass(frozen=True, slots=True)
class CorruptRate:
    """Random damage to UDP datagrams."""

    chance: Chance

    def fate(self, arrival: Arrival) -> Fate:
        """Damaged if chance says so; the place and the new value belong to the index as well."""
        direction, index = arrival.direction, arrival.index
        if index is None or not self.chance.strikes(direction, index):
            return PASSED
        start, end = udp_payload(arrival.headers)
        frame, length = arrival.frame, end - start
        if length <= 0 or is_version_negotiation(frame[start : start + 7]):
            return PASSED
        seed = self.chance.seed
        offset = roll(seed, direction, index, min(REACH, length), Purpose.OFFSET)
        at = start + offset
        old, new = frame[at], roll(seed, direction, index, 256, Purpose.VALUE)
        if new == old:
            new = (new + 1) % 256
        damaged = with_checksum(frame[:at] + bytes((new,)) + frame[at + 1 :], arrival.headers)
        return Replaced((Copy(damaged, f"byte {offset} changed from {old:#04x} to {new:#04x}"),))
