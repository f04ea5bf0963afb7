"""How many handshakes there are."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.handshakes import handshakes
from quicmatrix.testcases.views.view import View, arrived, complete, decrypted, sent


@requirement(Level.TEST, "interop suite", compat=True)
def one_handshake(seen: Observation) -> Iterator[Finding]:
    """There is exactly one handshake, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(1, seen.trace)


@requirement(Level.TEST, "interop suite", compat=True)
def two_handshakes(seen: Observation) -> Iterator[Finding]:
    """There are exactly two handshakes, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(2, seen.trace)


@requirement(Level.TEST, "interop suite", compat=True)
def fifty_handshakes(seen: Observation) -> Iterator[Finding]:
    """There are exactly 50 handshakes, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(50, seen.trace)


def _exactly(expected: int, trace: Trace) -> Iterator[Finding]:
    found = handshakes(trace)
    if len(found) <= expected:
        complete(found)
    if not found:
        yield _no_handshake(trace)
    elif len(found) == expected:
        yield from (Held(handshake.first) for handshake in found)
    else:
        # What was damaged on the way is no attempt: its connection IDs may be wrong.
        attempts = {packet.connection for packet in decrypted(_attempts(trace))}
        yield Violation(
            f"there {'is' if len(found) == 1 else 'are'} {len(found)} instead of {expected}",
            *(handshake.first for handshake in found),
            # A server may answer one attempt twice, but only a client opens connections.
            side=Side.SERVER if len(attempts) < len(found) > expected else Side.CLIENT,
        )


def _no_handshake(trace: Trace) -> Violation:
    attempts = _attempts(trace).items
    if attempts:
        return Violation("no Initial packet is answered", attempts[0], side=Side.SERVER)
    return Violation(
        "no Initial packet reaches the server",
        *sent(trace, Side.CLIENT, PacketType.INITIAL).items[:1],
        side=Side.CLIENT,
    )


def _attempts(trace: Trace) -> View[Packet]:
    return arrived(trace, Side.SERVER, PacketType.INITIAL)
