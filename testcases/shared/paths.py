"""Which paths a connection takes, and how each is validated (RFC 9000, 8.2 and 9).

A side is judged in the capture next to it. So behind a NAT the client has one path, while the
server sees another one after each rebind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from quicmatrix.runner.trace.model import (
    Ack,
    Address,
    Capture,
    ConnectionClose,
    EncryptedExtensions,
    HandshakeDone,
    NewConnectionId,
    Packet,
    PacketType,
    Path,
    PathChallenge,
    PathResponse,
    Side,
    Trace,
)
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.contract import is_done
from quicmatrix.testcases.shared.transfers import ended_at
from quicmatrix.testcases.views.datagrams import PROCESSING_TIME_S, sent_datagrams, with_packets
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    complete,
    decrypted,
    every,
    exists,
    frames,
    messages,
    readable,
    sent,
)

EXPANDED = 1200
"""Bytes of a datagram that shows that a path can carry QUIC (RFC 9000, 8.2.1)."""
PROBING = (PathChallenge, PathResponse, NewConnectionId)
"""Frames that do not show that the sender has migrated (RFC 9000, 9.1)."""


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_on_several_paths(seen: Observation) -> Iterator[Finding]:
    """The server sends on more than one path."""
    yield from sends_on_several_paths(
        seen.trace, Violation("the client is seen on one path only: its address never changed")
    )


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_to_several_addresses(seen: Observation) -> Iterator[Finding]:
    """The server sends to more than one IP address of the client."""
    packets = sent(seen.trace, Side.SERVER)
    hosts: dict[str, Packet] = {}
    for packet in packets:
        hosts.setdefault(packet.path.client.host, packet)
    yield from exists(
        list(hosts.values())[1:],
        Violation(f"it sends to {len(hosts)} instead of 2 or more"),
        packets,
    )


@requirement(Level.SHOULD, "interop suite", compat=True)
def server_begins_new_paths_with_a_challenge(seen: Observation) -> Iterator[Finding]:
    """The first datagram that the server sends on a new path has a PATH_CHALLENGE frame."""
    # No RFC asks for this, and stacks do otherwise with good reason: they answer the client's own
    # PATH_CHALLENGE when nobody has migrated yet, or acknowledge what came while their congestion
    # window is full. So it decides under --compat alone.

    def findings() -> Iterator[Finding]:
        known: set[Path] = set()
        for datagram, packets in with_packets(seen.trace.near(Side.SERVER)):
            if datagram.sender is not Side.SERVER or datagram.path in known:
                continue
            known.add(datagram.path)
            if len(known) == 1:
                continue
            if any(isinstance(one, PathChallenge) for packet in packets for one in packet.frames):
                yield Held(packets[0])
                continue
            hidden = next((one for one in packets if not one.decrypted or one.unread), None)
            if hidden or not packets:
                raise Inconclusive(f"{hidden or 'a datagram'} could not be read")
            yield Violation(f"it is the first on {datagram.path}", packets[0])

    yield from every(findings(), sent(seen.trace, Side.SERVER))


@requirement(Level.TEST, "RFC 9000, 9.3")
def server_validates_each_new_path(seen: Observation) -> Iterator[Finding]:
    """The server sends a PATH_CHALLENGE frame on a path to which the client has migrated."""
    outgoing = readable(sent(seen.trace, Side.SERVER))
    incoming = readable(arrived(seen.trace, Side.SERVER, PacketType.ONE_RTT))
    answers: dict[Path, Packet] = {}
    for packet in outgoing:
        answers.setdefault(packet.path, packet)
    challenges = {packet.path: packet for packet, _ in frames(outgoing, PathChallenge)}

    def findings() -> Iterator[Finding]:
        for path, moved in _migrations(seen.trace, incoming).items():
            if path in challenges:
                yield Held(challenges[path], moved)
            elif path in answers and _stays(moved, incoming):
                complete(outgoing)
                yield Violation(
                    f"there is no PATH_CHALLENGE on {path}", answers[path], moved, side=Side.SERVER
                )
            # Where it does not go, it does not permit the migration; but then nothing works.
            elif path not in answers and not is_done(seen.record):
                waited_s = ended_at(seen, Side.SERVER) - moved.time
                if waited_s >= PROCESSING_TIME_S and not _closed(moved, incoming):
                    complete(outgoing)
                    yield Violation(
                        f"it never sends on {path}, in {waited_s:.1f} s", moved, side=Side.SERVER
                    )

    yield from every(findings(), incoming, outgoing)


@requirement(Level.MUST, "RFC 9000, 9.3")
def server_moves_to_a_validated_path(seen: Observation) -> Iterator[Finding]:
    """The server sends to the client on the path it has migrated to, once that is validated."""
    # Highest packet number: what was delayed on the old path is no migration back (9.3).
    capture = seen.trace.near(Side.SERVER)
    outgoing = readable(sent(seen.trace, Side.SERVER))
    incoming = readable(arrived(seen.trace, Side.SERVER))
    fixed = _without_migration(outgoing)

    def findings() -> Iterator[Finding]:
        places: dict[int, _Place] = {}
        for packet in capture.packets:
            if packet.connection is None or packet.connection in fixed or not packet.decrypted:
                continue
            place = places.setdefault(packet.connection, _Place(packet))
            if packet.sender is Side.CLIENT:
                place.arrive(packet)
                continue
            place.challenge(packet)
            since = place.validated_since()
            if packet.type is not PacketType.ONE_RTT or is_probing(packet) or since is None:
                continue
            if packet.path == place.moved.path:
                yield Held(packet, place.moved)
            elif packet.time > since + PROCESSING_TIME_S and packet.path not in place.reported:
                complete(incoming)  # the client may have moved back unseen
                place.reported.add(packet.path)
                yield Violation(
                    f"it goes to {packet.path}, {packet.time - since:.1f} s after the client has "
                    f"moved to {place.moved.path}",
                    packet,
                    place.moved,
                )

    yield from every(findings(), outgoing, incoming)


@requirement(Level.PRECONDITION, "RFC 9000, 9")
def address_changes_after_the_handshake(seen: Observation) -> Iterator[Finding]:
    """The NAT does not change the client's address before the server confirms the handshake."""
    if is_done(seen.record):
        yield Held(message="the client is done")
        return
    outgoing = sent(seen.trace, Side.SERVER, PacketType.ONE_RTT)
    confirmed = frames(outgoing, HandshakeDone)
    firsts: dict[int | None, Packet] = {}
    for packet in arrived(seen.trace, Side.SERVER):
        first = firsts.setdefault(packet.connection, packet)
        if packet.path.client == first.path.client:
            continue
        before = [
            one
            for one, _ in confirmed
            if one.connection == packet.connection
            and one.datagram.frame_number < packet.datagram.frame_number
        ]
        if before:
            yield Held(before[0], packet)
        else:
            complete(confirmed)
            yield Violation(
                f"it is {packet.path.client} in {packet}, and the handshake is not confirmed yet"
            )
        return


@requirement(Level.MUST, "RFC 9000, 8.2.1")
def server_repeats_small_path_challenges(seen: Observation) -> Iterator[Finding]:
    """A PATH_CHALLENGE that 3 times what came kept small is followed by one in 1200 bytes."""
    outgoing = readable(sent(seen.trace, Side.SERVER))
    incoming = frames(arrived(seen.trace, Side.SERVER), PathResponse)
    responses = {response.data: packet for packet, response in incoming}
    fixed = _without_migration(outgoing)

    def findings() -> Iterator[Finding]:
        challenges = list(frames(outgoing, PathChallenge))
        expanded = {
            packet.path: packet for packet, _ in challenges if packet.datagram.size >= EXPANDED
        }
        for packet, challenge in challenges:
            answer = responses.get(challenge.data)
            if packet.datagram.size >= EXPANDED or answer is None or packet.connection in fixed:
                continue
            if packet.path in expanded:
                yield Held(expanded[packet.path], packet)
            elif _goes_on(answer, seen.trace.near(Side.SERVER)):
                complete(outgoing)  # the second one may be hidden
                yield Violation(
                    f"the only PATH_CHALLENGE on {packet.path} is in a datagram of "
                    f"{packet.datagram.size} bytes",
                    packet,
                    answer,
                )

    yield from every(findings(), outgoing)


@requirement(Level.MUST, "RFC 9000, 8.2.2", compat=True)
def client_answers_path_challenges(seen: Observation) -> Iterator[Finding]:
    """The client answers each PATH_CHALLENGE frame that reaches it with a PATH_RESPONSE frame."""
    yield from _answers(seen.trace, Side.CLIENT)


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def server_answers_path_challenges(seen: Observation) -> Iterator[Finding]:
    """The server answers each PATH_CHALLENGE frame that reaches it with a PATH_RESPONSE frame."""
    yield from _answers(seen.trace, Side.SERVER)


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def path_responses_answer_one_challenge_each(seen: Observation) -> Iterator[Finding]:
    """A PATH_RESPONSE frame echoes the data of a PATH_CHALLENGE frame, each of which has one."""

    def findings(side: Side) -> Iterator[Finding]:
        incoming = frames(arrived(seen.trace, side), PathChallenge)
        asked = Counter(challenge.data for _, challenge in incoming)
        given: Counter[bytes] = Counter()
        for packet, response in frames(sent(seen.trace, side), PathResponse):
            given[response.data] += 1
            if given[response.data] <= asked[response.data]:
                yield Held(packet)
                continue
            complete(incoming)
            yield Violation(
                f"it is PATH_RESPONSE number {given[response.data]} for "
                f"{asked[response.data]} PATH_CHALLENGE frames with this data",
                packet,
            )

    yield from every(_on_both_sides(findings), *_all_sent(seen.trace))


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def path_responses_stay_on_the_path(seen: Observation) -> Iterator[Finding]:
    """A PATH_RESPONSE frame is sent on the path on which its PATH_CHALLENGE frame arrived."""

    def findings(side: Side) -> Iterator[Finding]:
        incoming = frames(arrived(seen.trace, side), PathChallenge)
        origins: dict[bytes, list[Packet]] = {}
        for packet, challenge in incoming:
            origins.setdefault(challenge.data, []).append(packet)
        for packet, response in frames(sent(seen.trace, side), PathResponse):
            asking = origins.get(response.data, [])
            if packet.path in {one.path for one in asking}:
                yield Held(packet, *asking)
            elif asking:
                complete(incoming)
                yield Violation(f"it goes to {packet.path}", packet, *asking)

    yield from every(_on_both_sides(findings), *_all_sent(seen.trace))


@requirement(Level.MUST, "RFC 9000, 8.2.1")
def path_challenges_are_expanded(seen: Observation) -> Iterator[Finding]:
    """A datagram with a PATH_CHALLENGE frame has 1200 bytes or more, as far as it may have them."""
    yield from _expanded(seen.trace, PathChallenge)


@requirement(Level.MUST, "RFC 9000, 8.2.2")
def path_responses_are_expanded(seen: Observation) -> Iterator[Finding]:
    """A datagram with a PATH_RESPONSE frame has 1200 bytes or more, as far as it may have them."""
    yield from _expanded(seen.trace, PathResponse)


@requirement(Level.MUST, "RFC 9000, 8.2.1")
def path_challenges_are_unpredictable(seen: Observation) -> Iterator[Finding]:
    """The data of a PATH_CHALLENGE frame is unpredictable, so no two paths have the same."""

    def findings(side: Side) -> Iterator[Finding]:
        first: dict[bytes, Packet] = {}
        for packet, challenge in frames(sent(seen.trace, side), PathChallenge):
            earlier = first.setdefault(challenge.data, packet)
            if earlier.path == packet.path:
                yield Held(packet)
            else:
                yield Violation("another path has the same data", packet, earlier)

    yield from every(_on_both_sides(findings), *_all_sent(seen.trace))


@requirement(Level.MUST, "RFC 9000, 9.5", compat=True)
def client_takes_a_new_connection_id_for_each_path(seen: Observation) -> Iterator[Finding]:
    """The client does not use a Destination Connection ID on more than one path."""
    packets = decrypted(sent(seen.trace, Side.CLIENT))
    # Before the server's first packet the client uses a connection ID that it made up itself, and
    # may try several paths with it, e.g. IPv6 and then IPv4.
    issued = {one.scid for one in arrived(seen.trace, Side.CLIENT)}
    yield from every(
        _not_reused(
            (one, one.path)
            for one in packets
            if one.dcid in issued or one.type not in (PacketType.INITIAL, PacketType.ZERO_RTT)
        ),
        packets,
    )


@requirement(Level.MUST, "RFC 9000, 9.5")
def server_takes_a_new_connection_id_for_each_address(seen: Observation) -> Iterator[Finding]:
    """The server does not use a Destination Connection ID at more than one address of its own."""
    # Of the client's address it may be unaware that it has changed, so that one does not count.
    packets = decrypted(sent(seen.trace, Side.SERVER))
    yield from every(_not_reused((one, one.path.server) for one in packets), packets)


def sends_on_several_paths(trace: Trace, otherwise: Violation) -> Iterator[Finding]:
    """Require that the server sends on more than one path.

    Args:
        trace: Where to look.
        otherwise: What it is if the client is seen on one path only.
    """
    packets = sent(trace, Side.SERVER)
    unused = next(_on_other_paths(arrived(trace, Side.SERVER)), None)
    yield from exists(
        _on_other_paths(packets),
        Violation("the server never sends on this path", unused, side=Side.SERVER)
        if unused
        else otherwise,
        packets,
    )


def _without_migration(outgoing: View[Packet]) -> set[int | None]:
    """The connections on which the server has told the client not to migrate (RFC 9000, 18.2)."""
    return {
        packet.connection
        for packet, message in messages(outgoing, EncryptedExtensions)
        if message.transport_parameters.disable_active_migration
    }


def is_probing(packet: Packet) -> bool:
    """Whether it shows no migration of its sender (RFC 9000, 9.1)."""
    return all(isinstance(one, PROBING) for one in packet.frames)


@dataclass(slots=True)
class _Place:
    """Where the client of a connection is, as the server may know it."""

    moved: Packet
    """The packet that shows it: a non-probing one, of the highest packet number so far."""
    start: Path = field(init=False)
    challenges: dict[bytes, Path] = field(default_factory=dict)
    validated: dict[Path, float] = field(default_factory=dict)
    reported: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.start = self.moved.path

    def arrive(self, packet: Packet) -> None:
        """Take in a packet of the client."""
        for frame in packet.frames:
            if isinstance(frame, PathResponse) and frame.data in self.challenges:
                self.validated.setdefault(self.challenges[frame.data], packet.time)
        if packet.type is not PacketType.ONE_RTT or is_probing(packet):
            return
        is_first = self.moved.type is not PacketType.ONE_RTT
        if is_first or (packet.number or 0) > (self.moved.number or 0):
            if packet.path != self.moved.path or is_first:
                self.moved = packet
            else:  # it stays: when it came there counts
                self.moved = replace(packet, datagram=self.moved.datagram)

    def challenge(self, packet: Packet) -> None:
        """Take in a packet of the server."""
        for frame in packet.frames:
            if isinstance(frame, PathChallenge):
                self.challenges[frame.data] = packet.path

    def validated_since(self) -> float | None:
        """Since when the client is on another path that is validated; None if it is not."""
        if self.moved.path == self.start or self.moved.path not in self.validated:
            return None
        return max(self.moved.time, self.validated[self.moved.path])


def _migrations(trace: Trace, incoming: View[Packet]) -> dict[Path, Packet]:
    """The first packet on each new path with which the client shows that it has migrated."""
    starts = _handshake_paths(trace)
    found: dict[Path, Packet] = {}
    for packet in incoming:
        began = packet.path in starts.get(packet.connection, ())
        if not began and not is_probing(packet):
            found.setdefault(packet.path, packet)
    return found


def _handshake_paths(trace: Trace) -> dict[int | None, set[Path]]:
    """The paths on which each connection's handshake was done: nobody migrates before its end.

    The server validates them by the client's Handshake packets (RFC 9000, 8.1). An Initial that was
    not answered, such as one over IPv6, shows none.
    """
    first: dict[int | None, set[Path]] = {}
    found: dict[int | None, set[Path]] = {}
    for packet in trace.near(Side.SERVER).packets:
        first.setdefault(packet.connection, {packet.path})
        if packet.sender is Side.CLIENT and packet.type is PacketType.HANDSHAKE:
            found.setdefault(packet.connection, set()).add(packet.path)
    return {**first, **found}


def _stays(moved: Packet, incoming: View[Packet]) -> bool:
    """Whether the client goes on there for long, without closing the connection."""
    for packet in incoming:
        if packet.path != moved.path or packet.connection != moved.connection:
            continue
        if any(isinstance(frame, ConnectionClose) for frame in packet.frames):
            return False
        if packet.time >= moved.time + PROCESSING_TIME_S:
            return True
    return False


def _closed(moved: Packet, incoming: View[Packet]) -> bool:
    """Whether the client closes the connection after a packet."""
    return any(
        isinstance(frame, ConnectionClose)
        for packet in incoming
        if packet.connection == moved.connection and packet.time >= moved.time
        for frame in packet.frames
    )


def _not_reused(sent_from: Iterable[tuple[Packet, Path | Address]]) -> Iterator[Finding]:
    """The packets at other places than the first, each reused connection ID only once."""
    first: dict[bytes, tuple[Packet, Path | Address]] = {}
    reused: set[tuple[bytes, Path | Address]] = set()
    starts: dict[int | None, Path | Address] = {}
    for packet, place in sent_from:
        start = starts.setdefault(packet.connection, place)
        if not packet.dcid:  # there is nothing to choose from
            continue
        earlier, where = first.setdefault(packet.dcid, (packet, place))
        if place == where:
            if place != start:
                yield Held(packet)
        elif (packet.dcid, place) not in reused:
            reused.add((packet.dcid, place))
            yield Violation(
                f"it goes to {packet.dcid.hex()}, as on {earlier.path} before", packet, earlier
            )


def _answers(trace: Trace, side: Side) -> Iterator[Finding]:
    incoming = frames(arrived(trace, side), PathChallenge)
    outgoing = readable(sent(trace, side))
    answers = {response.data: packet for packet, response in frames(outgoing, PathResponse)}

    def findings() -> Iterator[Finding]:
        for packet, challenge in incoming:
            if challenge.data in answers:
                yield Held(answers[challenge.data], packet)
            elif _acknowledged(packet, outgoing) and _goes_on(packet, trace.near(side)):
                complete(outgoing)  # the answer may be hidden
                yield Violation(
                    f"no PATH_RESPONSE echoes {challenge.data.hex()}", packet, side=side
                )

    yield from every(findings(), incoming)


def _acknowledged(packet: Packet, outgoing: View[Packet]) -> bool:
    """Whether its receiver acknowledged a packet."""
    return any(
        min(pair) <= packet.number <= max(pair)
        for one in outgoing
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
        if one.time >= packet.time + PROCESSING_TIME_S:
            return True
        if any(isinstance(frame, ConnectionClose) for frame in one.frames):
            return False
    return False


def _expanded(trace: Trace, kind: type[PathChallenge | PathResponse]) -> Iterator[Finding]:
    def findings(side: Side) -> Iterator[Finding]:
        for one in sent_datagrams(trace, side):
            limited = one.allowance is not None and one.allowance < EXPANDED
            for packet in one.packets:
                if not any(isinstance(frame, kind) for frame in packet.frames):
                    continue
                if one.datagram.size >= EXPANDED or limited:
                    yield Held(packet)
                else:
                    yield Violation(f"the datagram has {one.datagram.size} bytes", packet)

    yield from every(_on_both_sides(findings), *_all_sent(trace))


def _on_both_sides(findings: Callable[[Side], Iterator[Finding]]) -> Iterator[Finding]:
    return chain.from_iterable(map(findings, Side))


def _all_sent(trace: Trace) -> tuple[View[Packet], ...]:
    return tuple(readable(sent(trace, side)) for side in Side)


def _on_other_paths(packets: View[Packet]) -> Iterator[Packet]:
    """The first packet on each path but the first one."""
    paths: dict[Path, Packet] = {}
    for packet in packets:
        paths.setdefault(packet.path, packet)
    return iter(list(paths.values())[1:])
