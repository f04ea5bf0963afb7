"""The connection IDs that an endpoint issues (RFC 9000, 5.1.1)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    NewConnectionId,
    NewToken,
    Packet,
    PacketType,
    RetireConnectionId,
    Side,
)
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import complete, frames, readable, sent

SECOND_WITH_PREFERRED = 2
"""The sequence number of the first NEW_CONNECTION_ID frame beside a preferred address."""
DEFAULT_LIMIT = 2
"""active_connection_id_limit where it is not said (RFC 9000, 18.2)."""


@requirement(Level.MUST, "RFC 9000, 5.1.1")
def sequence_numbers_increase_by_1(seen: Observation) -> Iterator[Finding]:
    """The sequence number of each newly issued connection ID is that of the last one plus 1."""
    for side in Side:
        packets = readable(sent(seen.trace, side, PacketType.ONE_RTT, PacketType.ZERO_RTT))
        last: dict[int | None, tuple[int, Packet]] = {}
        for packet in packets:
            issued = {one.sequence for one in packet.frames if isinstance(one, NewConnectionId)}
            before = last.get(packet.connection)
            if before is not None:
                issued = {one for one in issued if one > before[0]}
            if not issued:
                continue
            # The first is 1, or 2 with a preferred address. Frames of a packet have no order.
            start = min(issued) == SECOND_WITH_PREFERRED if before is None else before[0]
            if max(issued) - start == len(issued):
                yield Held(packet)
            else:
                complete(packets)
                yield (
                    Violation(f"the first one has sequence number {min(issued)}", packet)
                    if before is None
                    else Violation(f"{min(issued)} follows {before[0]}", packet, before[1])
                )
            last[packet.connection] = max(issued), packet


@requirement(Level.MUST, "RFC 9000, 5.1.1")
def issued_connection_ids_keep_to_the_limit(seen: Observation) -> Iterator[Finding]:
    """No more connection IDs are active than the peer's active_connection_id_limit."""
    for side in Side:
        limits: dict[int | None, int] = {}
        active: dict[int | None, set[int]] = {}
        for packet in seen.trace.near(side).packets:
            ids = active.setdefault(packet.connection, {0})
            for frame in packet.frames:
                if packet.sender is not side and isinstance(frame, RetireConnectionId):
                    ids.discard(frame.sequence)
                elif packet.sender is side and isinstance(frame, NewConnectionId):
                    ids.add(frame.sequence)
                    ids -= {one for one in ids if one < frame.retire_prior_to}
                    yield from _within(packet, len(ids), limits.get(packet.connection))
            for message in packet.tls if packet.sender is not side else ():
                if isinstance(message, ClientHello | EncryptedExtensions):
                    limit = message.transport_parameters.active_connection_id_limit
                    limits[packet.connection] = DEFAULT_LIMIT if limit is None else limit


@requirement(Level.MUST, "RFC 9000, 8.1.3")
def new_tokens_are_unique(seen: Observation) -> Iterator[Finding]:
    """No two connections are given the same token in a NEW_TOKEN frame."""
    packets = readable(sent(seen.trace, Side.SERVER, PacketType.ONE_RTT))
    given: dict[bytes, Packet] = {}
    for packet, frame in frames(packets, NewToken):
        first = given.setdefault(frame.token, packet)
        if first.connection == packet.connection:
            yield Held(packet)
        else:
            yield Violation("the token is that of another connection", packet, first)


def _within(packet: Packet, count: int, limit: int | None) -> Iterator[Finding]:
    if limit is None:
        return
    if count > limit:
        yield Violation(f"{count} connection IDs are active, and the limit is {limit}", packet)
    else:
        yield Held(packet)
