"""How quic-interop-runner counts handshakes, for ``--compat``. Pure.

It counts the Source Connection IDs of the server's Initial packets. Our requirement counts what
goes on after a Retry as the same handshake, so that a server may answer a damaged token with a
Retry (RFC 9000, 8.1.3) while it accepts an intact copy of the same Initial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quicmatrix.runner.trace.model import Packet, PacketType, Side
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Requirement,
    Violation,
    requirement,
)


@requirement(Level.TEST, "interop suite", compat=True)
def one_handshake(seen: Observation) -> Iterator[Finding]:
    """There is exactly one handshake, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(1, seen)


@requirement(Level.TEST, "interop suite", compat=True)
def two_handshakes(seen: Observation) -> Iterator[Finding]:
    """There are exactly two handshakes, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(2, seen)


@requirement(Level.TEST, "interop suite", compat=True)
def fifty_handshakes(seen: Observation) -> Iterator[Finding]:
    """There are exactly 50 handshakes, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(50, seen)


ITS_COUNT: Mapping[str, Requirement[Observation]] = {
    one.name: one for one in (one_handshake, two_handshakes, fifty_handshakes)
}
"""By the name of ours, what it asks instead."""


def _exactly(expected: int, seen: Observation) -> Iterator[Finding]:
    capture = seen.trace.right
    if capture.damage:
        raise Inconclusive(f"the right capture is damaged: {capture.damage}")
    firsts: dict[tuple[bytes | None, int | None], Packet] = {}
    for packet in capture.packets:
        if packet.sender is Side.SERVER and packet.type is PacketType.INITIAL:
            # Only an empty one does not distinguish handshakes.
            firsts.setdefault((packet.scid, None if packet.scid else packet.connection), packet)
    if len(firsts) == expected:
        yield from map(Held, firsts.values())
        return
    answered = {(packet.path, packet.dcid) for packet in firsts.values()}
    twice = len(firsts) - len(answered)
    why = f", {twice} of them for a connection that the server had answered already"
    yield Violation(
        f"{len(firsts)} Source Connection IDs instead of {expected}{why if twice else ''}",
        *firsts.values(),
        side=Side.SERVER if twice and len(firsts) > expected else Side.CLIENT,
    )
