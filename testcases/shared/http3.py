"""What HTTP/3 asks of the streams that carry it (RFC 9114, 6.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from quicmatrix.runner.trace.model import Packet, PacketType, Side, Stream
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.streams import StreamType
from quicmatrix.testcases.views.view import View, by_connection, every, frames, readable, sent

CONTROL_STREAM = 0x00
SETTINGS = 0x04

HEAD = 16
"""Bytes of a stream that are looked at; more are not kept in a trace."""


@requirement(Level.MUST, "RFC 9114, 6.2.1")
def each_side_opens_a_control_stream(seen: Observation) -> Iterator[Finding]:
    """Each side opens one control stream, and SETTINGS is the first frame on it."""
    kinds = (PacketType.ZERO_RTT, PacketType.ONE_RTT)
    views = {side: _carriers(readable(sent(seen.trace, side, *kinds))) for side in Side}
    yield from every(
        (finding for side, view in views.items() for finding in _control_streams(side, view)),
        *views.values(),
    )


def _carriers(packets: View[Packet]) -> View[Packet]:
    """Those packets that carry a part of a stream."""
    return View(
        tuple(one for one in packets if any(isinstance(frame, Stream) for frame in one.frames)),
        packets.gap,
    )


def _control_streams(side: Side, view: View[Packet]) -> Iterator[Finding]:
    for members in by_connection(view).values():
        control = [head for head in _heads(side, members) if head.integers[:1] == (CONTROL_STREAM,)]
        if not control and not view.gap:
            yield Violation(f"the {side} opens no control stream", side=side)
        for head in control[:1]:
            if len(head.integers) > 1 and head.integers[1] != SETTINGS:
                yield Violation(
                    f"the first frame of the {side}'s control stream has type "
                    f"0x{head.integers[1]:02x}",
                    head.packet,
                )
            elif len(head.integers) < 2 and not view.gap:
                yield Violation(f"the {side} sends nothing on its control stream", head.packet)
            elif len(head.integers) > 1:
                yield Held(head.packet)
        for head in control[1:]:
            yield Violation(
                f"the {side} opens another control stream", head.packet, control[0].packet
            )
    if not view and not view.gap:
        yield Violation(f"the {side} opens no control stream", side=side)


@dataclass(slots=True)
class _Head:
    """The start of a unidirectional stream."""

    packet: Packet
    """The first packet of it."""
    known: dict[int, int] = field(default_factory=dict)

    @property
    def integers(self) -> tuple[int, ...]:
        """The stream's type and its first frame's (RFC 9114, 6.2 and 7.1), as far as known."""
        data = bytearray()
        while len(data) in self.known:
            data.append(self.known[len(data)])
        found = []
        at = 0
        while at < len(data) and at + (length := 1 << (data[at] >> 6)) <= len(data):
            value = int.from_bytes(data[at : at + length])
            found.append(value & ((1 << (8 * length - 2)) - 1))
            at += length
        return tuple(found[:2])


def _heads(side: Side, packets: View[Packet]) -> list[_Head]:
    kind = (
        StreamType.CLIENT_UNIDIRECTIONAL
        if side is Side.CLIENT
        else StreamType.SERVER_UNIDIRECTIONAL
    )
    heads: dict[int, _Head] = {}
    for packet, frame in frames(packets, Stream):
        if StreamType.of(frame.stream_id) is kind:
            head = heads.setdefault(frame.stream_id, _Head(packet))
            for offset, byte in enumerate(frame.data, start=frame.offset):
                if offset < HEAD:
                    head.known.setdefault(offset, byte)
    return list(heads.values())
