"""RFC 9000, 9 to 9.5, 8.2.1 and 13.3: what a server does when its client's address changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.runner.trace.model import EncryptedExtensions, PathChallenge, Stream
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.paths import (
    is_probing,
    keeps,
    path_in_use_before,
    sent_on,
    with_frame,
)
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation
from quicmatrix.testcases.shared.paths import (
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
    server_moves_to_a_validated_path,
    server_repeats_small_path_challenges,
)

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

FULL = Shape(datagram_size=DATAGRAM_BYTES)
REBINDINGS = 10


def forbids_migration(exchange: Exchange) -> bool:
    """Whether the implementation has announced disable_active_migration."""
    return any(
        message.transport_parameters.disable_active_migration
        for packet in exchange.capture.packets
        if packet.sender is exchange.side
        for message in packet.tls
        if isinstance(message, EncryptedExtensions)
    )


async def _rebound(tester: Tester, *, is_small: bool = False) -> Peer:
    """A connection whose next packet, the stimulus, came from another port."""
    peer = await tester.connected()
    path = tester.new_path()
    peer.rebind(path)
    await peer.stimulus(frames.ping(), shape=Shape() if is_small else FULL, path=path)
    return peer


async def _challenged(peer: Peer, count: int = 1) -> bool:
    return await peer.received(FrameType.PATH_CHALLENGE, count=count)


def validates_the_new_path(exchange: Exchange) -> Iterator[Finding]:
    """A PATH_CHALLENGE on the path that the stimulus came on, if anything goes there."""
    there = sent_on(exchange, exchange.stimulus.path)
    found = next(with_frame(there, PathChallenge), None)
    if found is not None:
        yield Held(found, exchange.stimulus)
    elif not there and forbids_migration(exchange):
        yield NotExercised("it has announced disable_active_migration, and drops the packets")
    else:
        yield Violation(
            "it sends no PATH_CHALLENGE to the new address",
            *there[:1],
            exchange.stimulus,
            side=exchange.side,
        )


@case(
    "rfc9000/9/new-address-is-validated",
    Level.MUST,
    rows="B-10",
    roles=SERVER,
    expects=shows(validates_the_new_path),
)
async def new_address_is_validated(tester: Tester) -> None:
    """A server validates a new address of its client with PATH_CHALLENGE."""
    peer = await _rebound(tester)
    await _challenged(peer)


@case(
    "rfc9000/8.2.1/path-challenge-is-expanded",
    Level.MUST,
    rows="B-09",
    roles=SERVER,
    expects=keeps(path_challenges_are_expanded),
)
async def path_challenge_is_expanded(tester: Tester) -> None:
    """A PATH_CHALLENGE frame is in a datagram of 1200 bytes, if the limit of 3 times allows it."""
    peer = await _rebound(tester)
    await _challenged(peer)


@case(
    "rfc9000/8.2.1/path-challenges-differ",
    Level.MUST,
    rows="B-09",
    roles=SERVER,
    expects=keeps(path_challenges_are_unpredictable),
)
async def path_challenges_differ(tester: Tester) -> None:
    """The data of PATH_CHALLENGE frames on different paths differs."""
    peer = await _rebound(tester)
    await _challenged(peer)
    path = tester.new_path()
    peer.rebind(path)
    await peer.send(frames.ping(), shape=FULL, path=path)
    await _challenged(peer, 2)


@case(
    "rfc9000/8.2.1/small-path-challenge-is-followed-by-a-large-one",
    Level.MUST,
    rows="B-51",
    roles=SERVER,
    expects=keeps(server_repeats_small_path_challenges),
)
async def small_path_challenge_is_followed_by_a_large_one(tester: Tester) -> None:
    """After a PATH_CHALLENGE in less than 1200 bytes was answered, one in 1200 bytes follows."""
    peer = await _rebound(tester, is_small=True)
    await _challenged(peer, 2)


def validates_the_old_path(exchange: Exchange) -> Iterator[Finding]:
    """A PATH_CHALLENGE on the path that was in use before."""
    old = path_in_use_before(exchange)
    found = next(with_frame(sent_on(exchange, old), PathChallenge), None)
    if found is not None:
        yield Held(found, exchange.stimulus)
    elif not sent_on(exchange, exchange.stimulus.path):
        yield NotExercised("it does not follow its client to the new address")
    else:
        yield Violation(
            "it sends no PATH_CHALLENGE to the old address", exchange.stimulus, side=exchange.side
        )


@case(
    "rfc9000/9.3.3/previous-path-is-validated",
    Level.MUST,
    rows="B-12",
    roles=SERVER,
    expects=shows(validates_the_old_path),
)
async def previous_path_is_validated(tester: Tester) -> None:
    """When its client seems to have migrated, a server validates the previous path too."""
    peer = await _rebound(tester)
    await _challenged(peer, 2)


@case(
    "rfc9000/9.3/data-goes-to-the-new-address",
    Level.MUST,
    rows="B-53",
    roles=SERVER,
    expects=keeps(server_moves_to_a_validated_path),
)
async def data_goes_to_the_new_address(tester: Tester) -> None:
    """Once a new address is validated, all but probing packets go there."""
    peer = await _rebound(tester)
    await _challenged(peer)


def stays_on_the_old_path(exchange: Exchange) -> Iterator[Finding]:
    """No non-probing packet on the path of a probe."""
    for packet in sent_on(exchange, exchange.stimulus.path):
        if not is_probing(packet):
            yield Violation("it sends a non-probing packet", packet, exchange.stimulus)
            return
    old = path_in_use_before(exchange)
    yield Held(exchange.stimulus, *sent_on(exchange, old)[:1])


@case(
    "rfc9000/9.3/probing-packet-moves-nothing",
    Level.MUST,
    rows="B-13",
    roles=SERVER,
    expects=shows(stays_on_the_old_path),
)
async def probing_packet_moves_nothing(tester: Tester) -> None:
    """A server sends to a new address only after a non-probing packet from there."""
    peer = await tester.connected()
    await peer.until(lambda: bool(peer.connection.available_connection_ids), "a connection ID")
    probe = Shape(
        dcid=peer.connection.available_connection_ids.pop(0).cid, datagram_size=DATAGRAM_BYTES
    )
    path = tester.new_path(is_watched=True)
    await peer.stimulus(frames.path_challenge(random_bytes(8)), shape=probe, path=path)
    await tester.answers()


def stays_on_the_new_path(exchange: Exchange) -> Iterator[Finding]:
    """No non-probing packet on the path of a packet that came late."""
    for packet in sent_on(exchange, exchange.stimulus.path):
        if not is_probing(packet):
            yield Violation("it sends a non-probing packet", packet, exchange.stimulus)
            return
    if path_in_use_before(exchange) == exchange.stimulus.path:
        yield NotExercised("it had not followed its client to the new address")
    else:
        yield Held(exchange.stimulus)


@case(
    "rfc9000/9.3/reordered-packet-moves-nothing",
    Level.MUST,
    rows="B-14",
    roles=SERVER,
    expects=shows(stays_on_the_new_path),
)
async def reordered_packet_moves_nothing(tester: Tester) -> None:
    """A packet from an old address that is not the highest-numbered one does not lead back."""
    peer = await tester.connected()
    late = peer.packet(frames.ping())
    old, path = peer.path, tester.new_path()
    peer.rebind(path)
    await peer.send(frames.ping(), shape=FULL, path=path)
    await _challenged(peer)
    await peer.acknowledged(await peer.send(frames.ping()))
    peer.send_datagram(late.datagram, path=old, step="stimulus", sent=late)


def takes_a_new_connection_id(exchange: Exchange) -> Iterator[Finding]:
    """Another Destination Connection ID on the new path than on the old one."""
    new = sent_on(exchange, exchange.stimulus.path)
    old = {
        packet.dcid: packet
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and packet.path != exchange.stimulus.path
    }
    for packet in new:
        if packet.dcid in old:
            yield Violation("it has used the connection ID elsewhere", packet, old[packet.dcid])
            return
    for packet in new[:1]:
        yield Held(packet)


@case(
    "rfc9000/9.5/new-connection-id-for-a-new-address",
    Level.MUST,
    rows="B-15",
    roles=SERVER,
    expects=shows(takes_a_new_connection_id),
)
async def new_connection_id_for_a_new_address(tester: Tester) -> None:
    """To a client that migrates, and changes its connection ID, a server changes its own."""
    peer = await tester.connected()
    await peer.until(lambda: bool(peer.connection.available_connection_ids), "a connection ID")
    peer.connection.change_connection_id()
    path = tester.new_path()
    peer.rebind(path)
    await peer.stimulus(frames.ping(), shape=FULL, path=path)
    await _challenged(peer)


def sends_the_data_again(exchange: Exchange) -> Iterator[Finding]:
    """The STREAM data that went to the old address, on the new path."""
    new = sent_on(exchange, exchange.stimulus.path)
    lost = [
        (packet, frame)
        for packet in exchange.capture.packets
        if packet.sender is exchange.side and packet.path == path_in_use_before(exchange)
        for frame in packet.frames
        if isinstance(frame, Stream)
    ]
    arrived = {
        (frame.stream_id, offset)
        for packet in new
        for frame in packet.frames
        if isinstance(frame, Stream)
        for offset in range(frame.offset, frame.offset + frame.length)
    }
    if not lost:
        yield NotExercised("no STREAM data went to the old address")
    for packet, frame in lost:
        missing = [
            offset
            for offset in range(frame.offset, frame.offset + frame.length)
            if (frame.stream_id, offset) not in arrived
        ]
        if missing and not new:
            yield NotExercised("it does not follow its client to the new address")
            return
        if missing:
            yield Violation(f"it does not send byte {missing[0]} again", packet, exchange.stimulus)
        else:
            yield Held(packet, exchange.stimulus)


@case(
    "rfc9000/13.3/data-in-flight-to-an-old-address",
    Level.MUST,
    rows="B-54",
    roles=SERVER,
    expects=shows(sends_the_data_again),
)
async def data_in_flight_to_an_old_address(tester: Tester) -> None:
    """STREAM data that was lost on the old path is sent again on the new one."""
    peer = await tester.connected()
    old, path = peer.path, tester.new_path()
    peer.rebind(path, old_is_gone=True)
    stream, known = peer.new_stream(), len(peer.arrivals)
    request = f"GET {tester.path_of_file}\r\n".encode()
    await peer.send(frames.stream(stream, request, fin=True), path=old)
    await peer.until(lambda: len(peer.arrivals) > known, "data on the old path")
    await peer.stimulus(frames.ping(), shape=FULL, path=path)
    await peer.until(lambda: stream in peer.ended, "the whole answer")


@case(
    "rfc9000/9.3/ten-addresses",
    Level.MUST,
    rows="B-55",
    roles=SERVER,
    expects=goes_on(),
)
async def ten_addresses(tester: Tester) -> None:
    """A server follows its client through as many addresses as it comes from."""
    peer = await tester.connected()
    for count in range(1, REBINDINGS + 1):
        path = tester.new_path()
        peer.rebind(path)
        await peer.stimulus(frames.ping(), shape=FULL, path=path)
        await _challenged(peer, count)
