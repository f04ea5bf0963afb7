"""How many handshakes there were, and which packets of the server belong to which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quicmatrix.runner.trace.model import Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Inconclusive, Level, Violation, requirement
from quicmatrix.testcases.shared.view import View, arrived, complete, decrypted, sent


@requirement(Level.TEST, "interop suite", compat=True)
def one_handshake(trace: Trace) -> Iterator[Violation]:
    """There is exactly one handshake, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(1, trace)


@requirement(Level.TEST, "interop suite", compat=True)
def two_handshakes(trace: Trace) -> Iterator[Violation]:
    """There are exactly two handshakes, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(2, trace)


@requirement(Level.TEST, "interop suite", compat=True)
def fifty_handshakes(trace: Trace) -> Iterator[Violation]:
    """There are exactly 50 handshakes, counted by the Source Connection IDs of server Initials."""
    yield from _exactly(50, trace)


@dataclass(frozen=True, slots=True)
class Handshake:
    """A connection that the server answered, in the capture next to the server."""

    first: Packet
    """Its first server Initial."""

    @property
    def connection(self) -> int:
        """The connection, as that capture numbers them.

        Raises:
            Inconclusive: It is not known.
        """
        if self.first.connection is None:
            raise Inconclusive(f"the connection of {self.first} is not known")
        return self.first.connection

    def __contains__(self, packet: Packet) -> bool:
        """Whether the server sent this packet, with a long header, in this handshake."""
        return packet.sender is Side.SERVER and _identity(packet) == _identity(self.first)


def handshakes(trace: Trace) -> View[Handshake]:
    """The handshakes, in the order in which the server answered them.

    Counted as quic-interop-runner does: the Source Connection ID of a server's Initial packets
    does not change (RFC 9000, 7.2). Only an empty one does not tell handshakes apart.
    """
    initials = sent(trace, Side.SERVER, PacketType.INITIAL)
    firsts: dict[tuple[bytes | None, int | None], Packet] = {}
    for packet in initials:
        firsts.setdefault(_identity(packet), packet)
    gap = initials.gap
    for scid, connection in firsts:
        if not scid and connection is None:
            gap = gap or "the server uses empty connection IDs, and its connections are not known"
    return View(tuple(Handshake(packet) for packet in firsts.values()), gap)


def second_handshake(trace: Trace) -> Handshake | None:
    """The second handshake; None if there is none.

    Raises:
        Inconclusive: There may be one that is hidden.
    """
    seen = handshakes(trace)
    if len(seen) < 2:
        complete(seen)
        return None
    return seen.items[1]


def _identity(packet: Packet) -> tuple[bytes | None, int | None]:
    return packet.scid, (None if packet.scid else packet.connection)


def _exactly(expected: int, trace: Trace) -> Iterator[Violation]:
    seen = handshakes(trace)
    if len(seen) <= expected:
        complete(seen)
    if not seen:
        yield _no_handshake(trace)
    elif len(seen) != expected:
        # What was damaged on the way is no attempt: its connection IDs may be wrong.
        attempts = {packet.connection for packet in decrypted(_attempts(trace))}
        yield Violation(
            f"there {'is' if len(seen) == 1 else 'are'} {len(seen)} instead of {expected}",
            *(handshake.first for handshake in seen),
            # A server may answer one attempt twice, but only a client opens connections.
            side=Side.SERVER if len(attempts) < len(seen) > expected else Side.CLIENT,
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
