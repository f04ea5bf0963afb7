"""Retry exchanges: a Retry packet, and the client's Initial packets before and after it.

A client's Initial packets before and after a Retry have other connection IDs for the server, other
keys and other tokens. What stays is the path and the client's own connection ID, which it must not
change (RFC 9000, 17.2.5.2); and if it does, the token still shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicmatrix.runner.trace.model import Packet, PacketType, Path, Side, Trace
from quicmatrix.testcases.views.view import View, arrived, sent


@dataclass(frozen=True, slots=True)
class Exchange:
    """All Retry packets of one connection attempt, and the client's Initial packets."""

    retries: tuple[Packet, ...]
    before: tuple[Packet, ...]
    """Those sent before the client processed a Retry."""
    after: tuple[Packet, ...]
    """From the first one with a new token on: a Retry is processed some time after it arrives."""

    @property
    def retry(self) -> Packet:
        """The Retry whose token the client uses; the first one, if it uses none of theirs."""
        token = self.after[0].token if self.after else b""
        return next((one for one in self.retries if one.token == token), self.retries[0])


def exchanges(trace: Trace, side: Side) -> View[Exchange]:
    """All Retry exchanges in the capture next to a side."""
    initials = _sent_by(Side.CLIENT, trace, side, PacketType.INITIAL)
    retries = _sent_by(Side.SERVER, trace, side, PacketType.RETRY)
    attempts: dict[tuple[Path, bytes], list[Packet]] = {}
    for retry in retries:
        attempts.setdefault((retry.path, retry.dcid), []).append(retry)
    found = [_exchange(tuple(group), initials) for group in attempts.values()]
    return View(tuple(found), retries.gap or initials.gap)


def _exchange(retries: tuple[Packet, ...], initials: View[Packet]) -> Exchange:
    first = retries[0]
    tokens = {retry.token for retry in retries} - {b""}
    its = [
        packet
        for packet in initials
        if packet.path == first.path and (packet.scid == first.dcid or packet.token in tokens)
    ]
    start = next((i for i, packet in enumerate(its) if _place(packet) > _place(first)), len(its))
    old_tokens = {packet.token for packet in its[:start]} | {b""}
    turn = next(
        (i for i, packet in enumerate(its) if i >= start and packet.token not in old_tokens),
        len(its),
    )
    return Exchange(retries, tuple(its[:turn]), tuple(its[turn:]))


def _place(packet: Packet) -> int:
    return packet.datagram.frame_number


def _sent_by(sender: Side, trace: Trace, side: Side, kind: PacketType) -> View[Packet]:
    return sent(trace, side, kind) if sender is side else arrived(trace, side, kind)
