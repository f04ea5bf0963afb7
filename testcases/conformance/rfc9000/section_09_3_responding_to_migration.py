"""RFC 9000, 9 to 9.5: what a server does when its client's address changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.runner.trace.model import EncryptedExtensions, PathChallenge
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import FULL, challenged, rebound
from quicmatrix.testcases.conformance.paths import (
    is_probing,
    path_in_use_before,
    sent_on,
    with_frame,
)
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

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
    peer = await rebound(tester)
    await challenged(peer)


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
    peer = await rebound(tester)
    await challenged(peer, 2)


def follows_its_client(exchange: Exchange) -> Iterator[Finding]:
    """Acknowledgments of what came from the new address go there."""
    for packet in exchange.probes_answered:
        if packet.path == exchange.stimulus.path:
            yield Held(packet, exchange.stimulus)
        else:
            yield Violation("it goes to the old address", packet, exchange.stimulus)
            return


@case(
    "rfc9000/9.3/data-goes-to-the-new-address",
    Level.MUST,
    rows="B-53",
    roles=SERVER,
    expects=shows(follows_its_client),
)
async def data_goes_to_the_new_address(tester: Tester) -> None:
    """Once a new address is validated, all but probing packets go there."""
    peer = await rebound(tester)
    await challenged(peer)


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
    await challenged(peer)
    await peer.acknowledged(await peer.send(frames.ping()))
    peer.send_datagram(late.datagram, path=old, step="stimulus", sent=late)
    await peer.acknowledged(late)


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
    await challenged(peer)


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
        await challenged(peer, count)
