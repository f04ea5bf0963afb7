"""What a capture shows of one direction, what it hides, and what may be concluded from both.

Where to look. What a side sent is judged in the capture next to it, which misses none of it; what
reached a side too, because what the link dropped is not there.

What to conclude. Things that were seen are conclusive, whatever else is hidden. That something was
*not* seen is conclusive only where nothing is hidden. So every :class:`View` carries its gap, the
reason why there may be more than it shows, and the ways to conclude respect it:

============  ====================================  ================================================
              nothing hidden                        something hidden
============  ====================================  ================================================
``exists``    held by what was seen; else what      held by what was seen, or
              the check says: violated, or not      :class:`Inconclusive`
              exercised
``never``     violations; else held by all that     violations, or :class:`Inconclusive`
              the views show, and not exercised if
              that is nothing
``every``     violations and what is held; not      violations, or :class:`Inconclusive`
              exercised if neither
``complete``  goes on                               :class:`Inconclusive`
============  ====================================  ================================================

So the views given to ``never`` are exactly what the requirement applies to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from quicmatrix.runner.trace.model import (
    Capture,
    Datagram,
    Frame,
    Packet,
    PacketType,
    Side,
    TlsMessage,
    Trace,
)
from quicmatrix.testcases.model import Finding, Held, Inconclusive, NotExercised, Violation

T = TypeVar("T")
F = TypeVar("F", bound=Frame)
M = TypeVar("M", bound=TlsMessage)
Item = Packet | Datagram | tuple[Packet, Any]
"""What can be shown as evidence: a packet, a datagram, or something that a packet carries."""


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """Things that a capture shows, in its order."""

    items: tuple[T, ...]
    gap: str = ""
    """Why there may be more of them than it shows; empty if there cannot be."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def where(self, condition: Callable[[T], bool]) -> View[T]:
        """Those of them of which that is true."""
        return View(tuple(item for item in self.items if condition(item)), self.gap)


# --- Looking -----------------------------------------------------------------------------------


def sent(trace: Trace, side: Side, *types: PacketType) -> View[Packet]:
    """The packets that a side sent, of these types or of all: what is in clear of them."""
    return _packets(trace.near(side), side, types)


def arrived(trace: Trace, side: Side, *types: PacketType) -> View[Packet]:
    """The packets that reached a side, of these types or of all: what is in clear of them."""
    return _packets(trace.near(side), side.peer, types)


def decrypted(packets: View[Packet]) -> View[Packet]:
    """Those packets that could be decrypted; the others are a gap.

    Their packet numbers and key phases are known, their frames perhaps only in part.
    """
    shown = tuple(packet for packet in packets if packet.decrypted)
    gap = packets.gap
    if not gap and len(shown) < len(packets):
        first = next(packet for packet in packets if not packet.decrypted)
        hidden = len(packets) - len(shown)
        gap = (
            f"{hidden} of {len(packets)} packets of the {first.sender} could not be decrypted, "
            f"the first is {first}"
        )
    return View(shown, gap)


def readable(packets: View[Packet]) -> View[Packet]:
    """Those packets that could be decrypted; the others, and frames of no known type, are a gap."""
    shown = decrypted(packets)
    unread = next((packet for packet in shown if packet.unread), None)
    if unread and not shown.gap:
        return replace(shown, gap=f"not all frames of {unread} could be read: {unread.unread}")
    return shown


def frames(packets: View[Packet], *kinds: type[F]) -> View[tuple[Packet, F]]:
    """The frames of some kinds, each with its packet."""
    shown = readable(packets)
    return View(
        tuple((one, frame) for one in shown for frame in one.frames if isinstance(frame, kinds)),
        shown.gap,
    )


def messages(packets: View[Packet], *kinds: type[M]) -> View[tuple[Packet, M]]:
    """The TLS messages of some kinds, each with the packet that completes it.

    A handshake has each message once. So where one was seen, hidden packets are no reason to doubt
    what it says: what they may hold of it is a retransmission.
    """
    shown = readable(packets)
    return View(
        tuple((one, message) for one in shown for message in one.tls if isinstance(message, kinds)),
        shown.gap,
    )


def by_connection(packets: View[Packet]) -> dict[int, View[Packet]]:
    """The packets of each connection, in the order in which the connections appear.

    Raises:
        Inconclusive: It is not known to which connection a packet belongs.
    """
    found: dict[int, list[Packet]] = {}
    for packet in packets:
        if packet.connection is None:
            raise Inconclusive(f"the connection of {packet} is not known")
        found.setdefault(packet.connection, []).append(packet)
    return {
        connection: replace(packets, items=tuple(members)) for connection, members in found.items()
    }


# --- Concluding --------------------------------------------------------------------------------


def exists(
    found: Iterable[Item], otherwise: Violation | NotExercised, *views: View[Any]
) -> Iterator[Finding]:
    """Require that something was seen in these views.

    That something is missing is a violation if an endpoint is to blame, and not exercised if the
    network is, or what the endpoint did instead is right too.

    Raises:
        Inconclusive: It was not, and may be hidden.
    """
    none = True
    for item in found:
        none = False
        yield _held(item)
    if none:
        complete(*views)
        yield otherwise


def never(violations: Iterable[Violation], *views: View[Any]) -> Iterator[Finding]:
    """Require that nothing that these views show is a violation.

    Their items are packets, datagrams, or pairs of a packet and what it carries.

    Raises:
        Inconclusive: There is no violation, and one may be hidden.
    """
    none = True
    for violation in violations:
        none = False
        yield violation
    if none:
        complete(*views)
        for view in views:
            yield from map(_held, view)


def every(findings: Iterable[Finding], *views: View[Any]) -> Iterator[Finding]:
    """Require that there is no violation among findings, which come from these views.

    Raises:
        Inconclusive: There is none, and one may be hidden.
    """
    none = True
    for finding in findings:
        none = none and not isinstance(finding, Violation)
        yield finding
    if none:
        complete(*views)


def complete(*views: View[Any]) -> None:
    """Go on only if nothing is hidden in these views.

    Raises:
        Inconclusive: Something is.
    """
    for view in views:
        if view.gap:
            raise Inconclusive(view.gap)


def _held(item: Item) -> Held:
    return Held(item[0] if isinstance(item, tuple) else item)


def _packets(capture: Capture, sender: Side, types: tuple[PacketType, ...]) -> View[Packet]:
    return View(
        tuple(
            packet
            for packet in capture.packets
            if packet.sender is sender
            and (not types or packet.type in types)
            and not packet.unassociated
        ),
        _undecoded(capture, sender),
    )


def _undecoded(capture: Capture, sender: Side) -> str:
    """Why not even all packet headers of that sender are known; empty if they are."""
    name = "left" if capture.side is Side.CLIENT else "right"
    if capture.damage:
        return f"the {name} capture is damaged: {capture.damage}"
    if not capture.datagrams:
        return f"the {name} capture is empty"
    understood = {packet.datagram.frame_number for packet in capture.packets}
    for datagram in capture.datagrams:
        if datagram.sender is sender and datagram.frame_number not in understood:
            return (
                f"a datagram of the {sender} could not be decoded as QUIC: "
                f"frame {datagram.frame_number} {name}"
            )
    return ""
