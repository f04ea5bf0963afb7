"""Which connection IDs the server chooses, and which of the client's it uses up (RFC 9000, 5.1)."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    NewConnectionId,
    Packet,
    PacketType,
    RetireConnectionId,
    Side,
)
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.shared.contract import is_done
from quicmatrix.testcases.views.view import (
    arrived,
    by_connection,
    complete,
    every,
    frames,
    readable,
    sent,
)


@requirement(Level.MUST, "RFC 9000, 7.2")
def server_keeps_its_source_connection_id(seen: Observation) -> Iterator[Finding]:
    """All Initial packets that the server sends on a connection have one Source Connection ID."""
    initials = sent(seen.trace, Side.SERVER, PacketType.INITIAL)

    def findings() -> Iterator[Finding]:
        firsts: dict[bytes, Packet] = {}
        for packet in initials:
            if not packet.dcid:  # the client's connections cannot be told apart
                continue
            first = firsts.setdefault(packet.dcid, packet)
            if packet.scid == first.scid:
                yield Held(packet)
            else:
                yield Violation(
                    f"it is {(packet.scid or b'').hex() or 'empty'}, and was "
                    f"{(first.scid or b'').hex() or 'empty'} before",
                    packet,
                    first,
                )

    yield from every(findings(), initials)


@requirement(Level.TEST, "RFC 9000, 5.1.2")
def server_retires_connection_ids_of_left_paths(seen: Observation) -> Iterator[Finding]:
    """While the client is not done, the server retires connection IDs of paths that it has left."""
    # One that does not runs out of them, and cannot follow the client to the next path.
    if is_done(seen.record):
        yield Held(message="the client is done")
        return
    outgoing = readable(sent(seen.trace, Side.SERVER))
    incoming = readable(arrived(seen.trace, Side.SERVER, PacketType.ONE_RTT))
    for connection, packets in by_connection(outgoing).items():
        used = {packet.dcid: packet for packet in packets if packet.dcid}
        issued = {0: packets.items[0].dcid} | {
            frame.sequence: frame.connection_id
            for packet, frame in frames(incoming, NewConnectionId)
            if packet.connection == connection
        }
        retired = {frame.sequence for _, frame in frames(packets, RetireConnectionId)}
        kept = {cid for sequence, cid in issued.items() if sequence not in retired}
        path = packets.items[-1].path
        left = [used[cid] for cid in kept if cid in used and used[cid].path != path]
        if left and kept <= used.keys():
            complete(outgoing, incoming)
            yield Violation(
                f"it has used all {len(issued)} connection IDs of the client, and keeps "
                f"{len(left)} that it used on other paths only",
                *sorted(left, key=lambda packet: packet.time),
            )
        elif retired:
            yield from (Held(packet) for packet, _ in frames(packets, RetireConnectionId))
