"""RFC 9000, 5.1, 19.15 and 19.16: issuing and retiring connection IDs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.parameters import Parameter
from quicmatrix.runner.trace.model import NewConnectionId, PacketType
from quicmatrix.testcases.conformance.codes import (
    CONNECTION_ID_LIMIT_ERROR,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import acknowledges, closes, shows
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.conformance.retirements import issued, retirements
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

MOST_ISSUED = 200
"""Connection IDs that are issued to reach a limit."""
IDS_IN_A_PACKET = 20


@case(
    "rfc9000/5.1.1/too-many-connection-ids",
    Level.MUST,
    rows="F-36 C-41",
    expects=closes(CONNECTION_ID_LIMIT_ERROR),
)
async def too_many_connection_ids(tester: Tester) -> None:
    """More connection IDs than active_connection_id_limit is a CONNECTION_ID_LIMIT_ERROR."""
    peer = await tester.connected()
    await peer.settled()
    limit = peer.connection.peer_parameter(Parameter.ACTIVE_CONNECTION_ID_LIMIT, 2)
    free = limit - len(peer.connection.issued_connection_ids)
    if free > MOST_ISSUED:
        tester.not_applicable(f"the implementation takes {limit} connection IDs")
    issued = [peer.issue_connection_id() for _ in range(free)]
    for at in range(0, free, IDS_IN_A_PACKET):
        await peer.acknowledged(await peer.send(*issued[at : at + IDS_IN_A_PACKET]))
    await peer.stimulus(peer.issue_connection_id())


@case(
    "rfc9000/5.1.1/issued-connection-ids-are-accepted",
    Level.MUST,
    rows="B-19",
    expects=acknowledges(),
)
async def issued_connection_ids_are_accepted(tester: Tester) -> None:
    """Packets to each connection ID that was issued, and not retired, are accepted."""
    peer = await tester.connected()
    await peer.settled()
    available = peer.connection.available_connection_ids
    if not available:
        tester.not_applicable("the implementation issues no further connection IDs")
    for one in available:
        await peer.acknowledged(await peer.stimulus(frames.ping(), shape=Shape(dcid=one.cid)))


def issues_another(exchange: Exchange) -> Iterator[Finding]:
    """There is a NEW_CONNECTION_ID with a sequence number of its own after the stimulus."""
    found = {
        frame.sequence: packet
        for packet in exchange.capture.packets
        for frame in packet.frames
        if packet.sender is exchange.side and isinstance(frame, NewConnectionId)
    }
    newest = found[max(found)] if found else None
    if newest is not None and newest in exchange.after:
        yield Held(newest, exchange.stimulus)
    else:
        yield Violation("it issues no other", exchange.stimulus, side=exchange.side)


@case(
    "rfc9000/5.1.1/retired-connection-id-is-replaced",
    Level.SHOULD,
    rows="B-20",
    expects=shows(issues_another),
)
async def retired_connection_id_is_replaced(tester: Tester) -> None:
    """A connection ID that is retired is replaced with another one."""
    peer = await tester.connected()
    await peer.settled()
    if not peer.connection.available_connection_ids:
        tester.not_applicable("the implementation issues no further connection IDs")
    retired = peer.connection.available_connection_ids.pop()
    count = len(peer.connection.received(FrameType.NEW_CONNECTION_ID))
    await peer.stimulus(frames.retire_connection_id(retired.sequence_number))
    await peer.received(FrameType.NEW_CONNECTION_ID, count=count + 1)


def retires_all_prior(exchange: Exchange) -> Iterator[Finding]:
    """All that were issued before are retired, and what follows goes to the new one."""
    added = issued(exchange)
    new = {frame.connection_id for frame in added}
    prior = max(frame.retire_prior_to for frame in added)
    retired = retirements(exchange)
    for sequence in range(prior):
        if sequence in retired:
            yield Held(retired[sequence])
        else:
            words = f"it does not retire connection ID {sequence}"
            yield Violation(words, exchange.stimulus, side=exchange.side)
    for packet in exchange.probes_answered:
        if packet.type is PacketType.ONE_RTT and packet.dcid not in new:
            yield Violation("it goes on to send to a retired connection ID", packet)


@case(
    "rfc9000/5.1.2/retire-prior-to",
    Level.MUST,
    rows="F-40 C-41",
    expects=shows(retires_all_prior),
)
async def retire_prior_to(tester: Tester) -> None:
    """Connection IDs below a greater Retire Prior To are retired, and not used any more."""
    peer = await tester.connected()
    await peer.settled()
    prior = peer.connection.next_sequence_number
    await peer.stimulus(peer.issue_connection_id(retire_prior_to=prior))
    await peer.received(FrameType.RETIRE_CONNECTION_ID, count=prior)
