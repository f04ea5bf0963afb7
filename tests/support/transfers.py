"""Hand-built transfers: both captures and the link log of a server that sends at a steady pace."""

from __future__ import annotations

from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.recording.link_log import Delivered, LinkEntry, LinkLog
from quicmatrix.runner.trace.model import (
    Ack,
    Address,
    Capture,
    Datagram,
    Ecn,
    Fate,
    Frame,
    Packet,
    PacketType,
    Path,
    Side,
    Trace,
)

PATH = Path(Address("193.167.0.100", 1234), Address("193.167.100.100", 443))
DELAY_S = 0.015
Seen = tuple[float, Side, int, tuple[Frame, ...], Fate | None]


def packet(
    capture: Side,
    frame: int,
    time: float,
    sender: Side,
    number: int,
    *frames: Frame,
    fate: Fate | None = None,
) -> Packet:
    """A 1-RTT packet of 1000 bytes, alone in its datagram."""
    datagram = Datagram(capture, frame, time, sender, PATH, Ecn.NOT_ECT, 1000, fate)
    return Packet(datagram, PacketType.ONE_RTT, None, b"", None, 1000, number=number, frames=frames)


def transfer(count: int, every_s: float, *, rtt_s: float = 0.03, begin_s: float = 1.0) -> Trace:
    """So many packets of the server, each acknowledged at once by a client."""
    left: list[Seen] = []
    right: list[Seen] = []
    for number in range(count):
        sent = begin_s + number * every_s
        fate = Fate(number + 1, delay_ms=15.0)
        right.append((sent, Side.SERVER, number, (), fate))
        left.append((sent + DELAY_S, Side.SERVER, number, (), fate))
        ack = Ack(number, 0, ((0, number),))
        right.append((sent + rtt_s, Side.CLIENT, number, (ack,), None))
    return Trace(_capture(Side.CLIENT, left), _capture(Side.SERVER, right))


def link_log(
    count: int, every_s: float, *, tcp_every_s: float = 0.0, drops_at: tuple[float, ...] = ()
) -> LinkLog:
    """What the link did with it, on a clock of its own that is 5 s ahead of the captures'."""
    begin_ns = 6_000_000_000
    entries = [
        _entry(number + 1, 17, begin_ns + round(number * every_s * 1e9), waiting=number % 7)
        for number in range(count)
    ]
    if tcp_every_s:
        # It began before QUIC did, and goes on after it: only what came in between counts.
        entries += [
            _entry(None, 6, round(at * tcp_every_s * 1e9)) for at in range(round(20 / tcp_every_s))
        ]
    entries += [
        LinkEntry(
            Direction.TO_CLIENT,
            None,
            6,
            begin_ns + round(at * 1e9),
            25,
            1028,
            Dropped("queue full"),
        )
        for at in drops_at
    ]
    return LinkLog("", 1, 0, tuple(entries), "")


def _entry(number: int | None, protocol: int, offered_ns: int, waiting: int = 0) -> LinkEntry:
    out_ns = offered_ns + round(DELAY_S * 1e9)
    return LinkEntry(
        Direction.TO_CLIENT,
        number,
        protocol,
        offered_ns,
        waiting,
        1028,
        Delivered(out_ns, out_ns),
    )


def _capture(side: Side, seen: list[Seen]) -> Capture:
    packets = tuple(
        packet(side, frame, time, sender, number, *frames, fate=fate)
        for frame, (time, sender, number, frames, fate) in enumerate(
            sorted(seen, key=lambda one: one[0]), 1
        )
    )
    return Capture(side, tuple(one.datagram for one in packets), packets)
