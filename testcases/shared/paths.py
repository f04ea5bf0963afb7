"""Which paths a connection takes, and how each is validated (RFC 9000, 8.2 and 9).

A side is judged in the capture next to it. So behind a NAT the client has one path, while the
server sees another one after each rebind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from quicmatrix.runner.trace.model import (
    Ack,
    Address,
    Capture,
    ConnectionClose,
    NewConnectionId,
    Packet,
    PacketType,
    Path,
    PathChallenge,
    PathResponse,
    Side,
    Trace,
)
from quicmatrix.testcases.model import Inconclusive, Level, Violation, requirement
from quicmatrix.testcases.shared.datagrams import PATIENCE_S, sendings, with_packets
from quicmatrix.testcases.shared.view import (
    View,
    arrived,
    complete,
    decrypted,
    frames,
    never,
    readable,
    sent,
)

EXPANDED = 1200
"""Bytes of a datagram that shows that a path can carry QUIC (RFC 9000, 8.2.1)."""
PROBING = (PathChallenge, PathResponse, NewConnectionId)
"""Frames that do not show that the sender has migrated (RFC 9000, 9.1)."""


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_on_several_paths(trace: Trace) -> Iterator[Violation]:
    """The server sends on more than one path."""
    packets = sent(trace, Side.SERVER)
    paths = {packet.path: packet for packet in packets}
    if len(paths) < 2:
        complete(packets)
        other = _first_on_another_path(arrived(trace, Side.SERVER))
        if other is None:
            yield Violation("the client is seen on one path only", side=None)
        else:
            yield Violation("the server never sends on this path", other, side=Side.SERVER)


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_to_several_addresses(trace: Trace) -> Iterator[Violation]:
    """The server sends to more than one IP address of the client."""
    packets = sent(trace, Side.SERVER)
    hosts = {packet.path.client.host for packet in packets}
    if len(hosts) < 2:
        complete(packets)
        yield Violation(f"it sends to {len(hosts)} instead of 2 or more", side=None)


@requirement(Level.SHOULD, "interop suite", compat=True)
def server_begins_new_paths_with_a_challenge(trace: Trace) -> Iterator[Violation]:
    """The first datagram that the server sends on a new path has a PATH_CHALLENGE frame."""
    # No RFC asks for this, and stacks do otherwise with good reason: they answer the client's own
    # PATH_CHALLENGE when nobody has migrated yet, or acknowledge what came while their congestion
    # window is full. So it decides under --compat alone.

    def breaches() -> Iterator[Violation]:
        known: set[Path] = set()
        for datagram, packets in with_packets(trace.near(Side.SERVER)):
            if datagram.sender is not Side.SERVER or datagram.path in known:
                continue
            known.add(datagram.path)
            contents = [frame for packet in packets for frame in packet.frames]
            if len(known) > 1 and not any(isinstance(one, PathChallenge) for one in contents):
                hidden = next((one for one in packets if not one.decrypted or one.unread), None)
                if hidden or not packets:
                    raise Inconclusive(f"{hidden or 'a datagram'} could not be read")
                yield Violation(f"it is the first on {datagram.path}", packets[0])

    yield from never(breaches(), sent(trace, Side.SERVER))


@requirement(Level.MUST, "RFC 9000, 9.3")
def server_validates_each_new_path(trace: Trace) -> Iterator[Violation]:
    """The server sends a PATH_CHALLENGE frame on a path to which the client has migrated."""
    said = readable(sent(trace, Side.SERVER))
    heard = readable(arrived(trace, Side.SERVER, PacketType.ONE_RTT))
    answered: dict[Path, Packet] = {}
    for packet in said:
        answered.setdefault(packet.path, packet)
    challenged = {packet.path for packet, _ in frames(said, PathChallenge)}

    def breaches() -> Iterator[Violation]:
        for path, moved in _migrations(trace, heard).items():
            # Where it does not go, it does not permit the migration.
            if path in answered and path not in challenged and _stays(moved, heard):
                complete(said)
                yield Violation(
                    f"there is no PATH_CHALLENGE on {path}", answered[path], moved, side=Side.SERVER
                )

    yield from never(breaches(), heard, said)


def _migrations(trace: Trace, heard: View[Packet]) -> dict[Path, Packet]:
    """The first packet on each new path with which the client shows that it has migrated."""
    start = next((one.path for one in trace.near(Side.SERVER).datagrams), None)
    found: dict[Path, Packet] = {}
    for packet in heard:
        if packet.path != start and not all(isinstance(one, PROBING) for one in packet.frames):
            found.setdefault(packet.path, packet)
    return found


def _stays(moved: Packet, heard: View[Packet]) -> bool:
    """Whether the client goes on there for long, without closing the connection."""
    for packet in heard:
        if packet.path != moved.path or packet.connection != moved.connection:
            continue
        if any(isinstance(frame, ConnectionClose) for frame in packet.frames):
            return False
        if packet.time >= moved.time + PATIENCE_S:
            return True
    return False


@requirement(Level.MUST, "RFC 9000, 8.2.2", compat=True)
def client_answers_path_challenges(trace: Trace) -> Iterator[Violation]:
    """The client answers each PATH_CHALLENGE frame that reaches it with a PATH_RESPONSE frame."""
    yield from _unanswered(trace, Side.CLIENT)


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def server_answers_path_challenges(trace: Trace) -> Iterator[Violation]:
    """The server answers each PATH_CHALLENGE frame that reaches it with a PATH_RESPONSE frame."""
    yield from _unanswered(trace, Side.SERVER)


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def path_responses_answer_one_challenge_each(trace: Trace) -> Iterator[Violation]:
    """A PATH_RESPONSE frame echoes the data of a PATH_CHALLENGE frame, each of which has one."""

    def breaches(side: Side) -> Iterator[Violation]:
        heard = frames(arrived(trace, side), PathChallenge)
        asked = Counter(challenge.data for _, challenge in heard)
        given: Counter[bytes] = Counter()
        for packet, response in frames(sent(trace, side), PathResponse):
            given[response.data] += 1
            if given[response.data] > asked[response.data]:
                complete(heard)
                yield Violation(
                    f"it is PATH_RESPONSE number {given[response.data]} for "
                    f"{asked[response.data]} PATH_CHALLENGE frames with this data",
                    packet,
                )

    yield from never(_on_both_sides(breaches), *_all_sent(trace))


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def path_responses_stay_on_the_path(trace: Trace) -> Iterator[Violation]:
    """A PATH_RESPONSE frame is sent on the path on which its PATH_CHALLENGE frame arrived."""

    def breaches(side: Side) -> Iterator[Violation]:
        heard = frames(arrived(trace, side), PathChallenge)
        origins: dict[bytes, list[Packet]] = {}
        for packet, challenge in heard:
            origins.setdefault(challenge.data, []).append(packet)
        for packet, response in frames(sent(trace, side), PathResponse):
            asking = origins.get(response.data, [])
            if asking and packet.path not in {one.path for one in asking}:
                complete(heard)
                yield Violation(f"it goes to {packet.path}", packet, *asking)

    yield from never(_on_both_sides(breaches), *_all_sent(trace))


@requirement(Level.MUST, "RFC 9000, 8.2.1")
def path_challenges_are_expanded(trace: Trace) -> Iterator[Violation]:
    """A datagram with a PATH_CHALLENGE frame has 1200 bytes or more, as far as it may have them."""
    yield from _expanded(trace, PathChallenge)


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def path_responses_are_expanded(trace: Trace) -> Iterator[Violation]:
    """A datagram with a PATH_RESPONSE frame has 1200 bytes or more, as far as it may have them."""
    yield from _expanded(trace, PathResponse)


@requirement(Level.MUST, "RFC 9000, 8.2.1")
def path_challenges_are_told_apart(trace: Trace) -> Iterator[Violation]:
    """The data of a PATH_CHALLENGE frame is unpredictable, so no two paths have the same."""

    def breaches(side: Side) -> Iterator[Violation]:
        first: dict[bytes, Packet] = {}
        for packet, challenge in frames(sent(trace, side), PathChallenge):
            earlier = first.setdefault(challenge.data, packet)
            if earlier.path != packet.path:
                yield Violation("another path has the same data", packet, earlier)

    yield from never(_on_both_sides(breaches), *_all_sent(trace))


@requirement(Level.MUST, "RFC 9000, 9.5", compat=True)
def client_takes_a_new_connection_id_for_each_path(trace: Trace) -> Iterator[Violation]:
    """The client does not use a Destination Connection ID on more than one path."""
    packets = decrypted(sent(trace, Side.CLIENT))
    ends = ((packet, packet.path) for packet in packets)
    yield from never(_reused(ends), packets)


@requirement(Level.MUST, "RFC 9000, 9.5")
def server_takes_a_new_connection_id_for_each_address(trace: Trace) -> Iterator[Violation]:
    """The server does not use a Destination Connection ID at more than one address of its own."""
    # Of the client's address it may be unaware that it has changed, so that one does not count.
    packets = decrypted(sent(trace, Side.SERVER))
    ends = ((packet, packet.path.server) for packet in packets)
    yield from never(_reused(ends), packets)


def _reused(ends: Iterable[tuple[Packet, Path | Address]]) -> Iterator[Violation]:
    """The first packet at each place with a connection ID that had been used at another."""
    first: dict[bytes, tuple[Packet, Path | Address]] = {}
    told: set[tuple[bytes, Path | Address]] = set()
    for packet, place in ends:
        if not packet.dcid:  # there is nothing to choose from
            continue
        earlier, where = first.setdefault(packet.dcid, (packet, place))
        if place != where and (packet.dcid, place) not in told:
            told.add((packet.dcid, place))
            yield Violation(
                f"it goes to {packet.dcid.hex()}, as on {earlier.path} before", packet, earlier
            )


def _unanswered(trace: Trace, side: Side) -> Iterator[Violation]:
    asked = frames(arrived(trace, side), PathChallenge)
    said = readable(sent(trace, side))
    answers = {response.data for _, response in frames(said, PathResponse)}

    def breaches() -> Iterator[Violation]:
        for packet, challenge in asked:
            if (
                challenge.data not in answers
                and _acknowledged(packet, said)
                and _goes_on(packet, trace.near(side))
            ):
                complete(said)  # the answer may be hidden
                yield Violation(
                    f"no PATH_RESPONSE echoes {challenge.data.hex()}", packet, side=side
                )

    yield from never(breaches(), asked)


def _acknowledged(packet: Packet, said: View[Packet]) -> bool:
    """Whether its receiver took a packet in."""
    return any(
        min(pair) <= packet.number <= max(pair)
        for one in said
        if one.connection == packet.connection and one.type is PacketType.ONE_RTT
        for frame in one.frames
        if isinstance(frame, Ack) and packet.number is not None
        for pair in frame.ranges
    )


def _goes_on(packet: Packet, capture: Capture) -> bool:
    """Whether a connection lasts long enough after a packet for it to be answered."""
    for one in capture.packets:
        if one.connection != packet.connection or one.time < packet.time:
            continue
        if one.time >= packet.time + PATIENCE_S:
            return True
        if any(isinstance(frame, ConnectionClose) for frame in one.frames):
            return False
    return False


def _expanded(trace: Trace, kind: type[PathChallenge | PathResponse]) -> Iterator[Violation]:
    def breaches(side: Side) -> Iterator[Violation]:
        for one in sendings(trace, side):
            limited = one.allowance is not None and one.allowance < EXPANDED
            if one.datagram.size >= EXPANDED or limited:
                continue
            for packet in one.packets:
                if any(isinstance(frame, kind) for frame in packet.frames):
                    yield Violation(f"the datagram has {one.datagram.size} bytes", packet)

    yield from never(_on_both_sides(breaches), *_all_sent(trace))


def _on_both_sides(breaches: Callable[[Side], Iterator[Violation]]) -> Iterator[Violation]:
    return chain.from_iterable(map(breaches, Side))


def _all_sent(trace: Trace) -> tuple[View[Packet], ...]:
    return tuple(readable(sent(trace, side)) for side in Side)


def _first_on_another_path(packets: View[Packet]) -> Packet | None:
    first = next(iter(packets), None)
    return next((one for one in packets if first and one.path != first.path), None)
