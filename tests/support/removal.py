"""Takes things out of observations: what is left when something never was on the wire."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

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
from quicmatrix.testcases.model import Evidence, Observation

Removal = Callable[[Observation], Observation]
Condition = Callable[[Packet], bool]


def packets(
    *types: PacketType, sender: Side | None = None, when: Condition | None = None
) -> Removal:
    """Remove packets: of these types or all, of this sender or both, of which that is true."""

    def remove(seen: Observation) -> Observation:
        def kept(packet: Packet) -> bool:
            return not (
                (not types or packet.type in types)
                and sender in (None, packet.sender)
                and (when is None or when(packet))
            )

        return _captures(seen, lambda capture: _only(capture, kept))

    return remove


def packets_on_other_paths(sender: Side) -> Removal:
    """Remove a side's packets that are not on the path of the first datagram."""

    def remove(seen: Observation) -> Observation:
        def first_path_only(capture: Capture) -> Capture:
            first = capture.datagrams[0].path if capture.datagrams else None
            return _only(capture, lambda one: one.sender is not sender or one.path == first)

        return _captures(seen, first_path_only)

    return remove


def datagrams(condition: Callable[[Datagram], bool]) -> Removal:
    """Remove datagrams of which that is true, with all packets in them."""

    def remove(seen: Observation) -> Observation:
        return _captures(
            seen,
            lambda capture: replace(
                capture,
                datagrams=tuple(one for one in capture.datagrams if not condition(one)),
                packets=tuple(one for one in capture.packets if not condition(one.datagram)),
            ),
        )

    return remove


def frames(
    *kinds: type[Frame],
    sender: Side | None = None,
    when: Callable[[Packet, Any], bool] | None = None,
) -> Removal:
    """Remove frames of these kinds from the packets of this sender, or of both."""

    def left(packet: Packet) -> Packet:
        if sender not in (None, packet.sender):
            return packet
        return replace(
            packet,
            frames=tuple(
                one
                for one in packet.frames
                if not (isinstance(one, kinds) and (when is None or when(packet, one)))
            ),
        )

    return _each_packet(left)


def messages(*kinds: type[TlsMessage], when: Condition | None = None) -> Removal:
    """Remove TLS messages of these kinds from packets of which that is true, or from all."""

    def left(packet: Packet) -> Packet:
        if when is not None and not when(packet):
            return packet
        return replace(packet, tls=tuple(one for one in packet.tls if not isinstance(one, kinds)))

    return _each_packet(left)


def fields(sender: Side, **changes: Any) -> Removal:
    """Change fields of the datagrams that a side sends."""

    def left(packet: Packet) -> Packet:
        if packet.sender is not sender:
            return packet
        return replace(packet, datagram=replace(packet.datagram, **changes))

    return _each_packet(left)


def in_record(change: Callable[[Observation], dict[str, Any]]) -> Removal:
    """Change fields of the record."""

    def remove(seen: Observation) -> Observation:
        return replace(seen, record=replace(seen.record, **change(seen)))

    return remove


def both(first: Removal, then: Removal) -> Removal:
    """Remove what either of them removes."""
    return lambda seen: then(first(seen))


def evidence(named: Collection[Evidence]) -> Removal:
    """Remove the packets and datagrams that pieces of evidence name."""

    def remove(seen: Observation) -> Observation:
        without_datagrams = datagrams(lambda one: Evidence.of(one) in named)(seen)
        return packets(when=lambda one: Evidence.of(one) in named)(without_datagrams)

    return remove


def _captures(seen: Observation, change: Callable[[Capture], Capture]) -> Observation:
    return replace(seen, trace=Trace(change(seen.trace.left), change(seen.trace.right)))


def _each_packet(change: Callable[[Packet], Packet]) -> Removal:
    def remove(seen: Observation) -> Observation:
        return _captures(
            seen,
            lambda capture: replace(capture, packets=tuple(map(change, capture.packets))),
        )

    return remove


def _only(capture: Capture, kept: Condition) -> Capture:
    """Those packets; a datagram goes with its last one."""
    left = tuple(one for one in capture.packets if kept(one))
    emptied = {one.datagram for one in capture.packets} - {one.datagram for one in left}
    remaining = tuple(one for one in capture.datagrams if one not in emptied)
    return replace(capture, datagrams=remaining, packets=left)
