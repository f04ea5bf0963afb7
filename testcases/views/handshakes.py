"""The handshakes of a trace, and which packets of the server belong to which."""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.trace.model import Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Inconclusive
from quicmatrix.testcases.views.view import View, complete, sent


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
    does not change (RFC 9000, 7.2). Only an empty one does not distinguish handshakes.
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
