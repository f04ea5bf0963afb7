"""RFC 9000, 19.15 and 19.16: NEW_CONNECTION_ID and RETIRE_CONNECTION_ID frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.testcases.conformance.codes import (
    FRAME_ENCODING_ERROR,
    PROTOCOL_VIOLATION,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import (
    closes,
    goes_on,
    shows,
)
from quicmatrix.testcases.conformance.model import Case, case
from quicmatrix.testcases.conformance.retirements import issued, retirements
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def retires_the_late_one(exchange: Exchange) -> Iterator[Finding]:
    """The connection ID that came too late is retired."""
    retired = retirements(exchange)
    for frame in issued(exchange):
        if frame.sequence in retired:
            yield Held(retired[frame.sequence], exchange.stimulus)
        else:
            words = f"it does not retire connection ID {frame.sequence}"
            yield Violation(words, exchange.stimulus, side=exchange.side)


@case(
    "rfc9000/19.15/late-connection-id",
    Level.MUST,
    rows="F-39 C-41",
    expects=shows(retires_the_late_one),
)
async def late_connection_id(tester: Tester) -> None:
    """A connection ID that arrives after a Retire Prior To beyond it is retired."""
    peer = await tester.connected()
    await peer.settled()
    late = peer.issue_connection_id()
    prior = peer.connection.next_sequence_number
    await peer.send(peer.issue_connection_id(retire_prior_to=prior))
    await peer.received(FrameType.RETIRE_CONNECTION_ID, count=prior - 1)
    count = len(peer.connection.received(FrameType.RETIRE_CONNECTION_ID))
    await peer.stimulus(late)
    await peer.received(FrameType.RETIRE_CONNECTION_ID, count=max(count, prior - 1) + 1)


def _wrong_length(size: int) -> Case:
    @case(
        f"rfc9000/19.15/connection-id-of-{size}-bytes",
        Level.MUST,
        rows="F-34 C-41",
        expects=closes(FRAME_ENCODING_ERROR),
    )
    async def wrong_length(tester: Tester) -> None:
        """NEW_CONNECTION_ID of a length other than 1 to 20 bytes is a FRAME_ENCODING_ERROR."""
        peer = await tester.connected()
        await peer.settled()
        number = peer.connection.next_sequence_number
        await peer.stimulus(frames.new_connection_id(number, random_bytes(size), random_bytes(16)))

    return wrong_length


WRONG_LENGTHS = tuple(_wrong_length(size) for size in (0, 21))


@case(
    "rfc9000/19.15/retire-prior-to-beyond-sequence-number",
    Level.MUST,
    rows="F-35 C-41",
    expects=closes(FRAME_ENCODING_ERROR),
)
async def retire_prior_to_beyond_sequence_number(tester: Tester) -> None:
    """A Retire Prior To greater than the Sequence Number is a FRAME_ENCODING_ERROR."""
    peer = await tester.connected()
    await peer.settled()
    prior = peer.connection.next_sequence_number + 1
    await peer.stimulus(peer.issue_connection_id(retire_prior_to=prior))


@case("rfc9000/19.15/lower-retire-prior-to", Level.MUST, expects=goes_on())
async def lower_retire_prior_to(tester: Tester) -> None:
    """A Retire Prior To that does not increase the largest one received is ignored."""
    peer = await tester.connected()
    await peer.settled()
    prior = peer.connection.next_sequence_number
    lower = peer.issue_connection_id()
    await peer.send(peer.issue_connection_id(retire_prior_to=prior))
    await peer.received(FrameType.RETIRE_CONNECTION_ID, count=prior)
    await peer.stimulus(lower)


@case("rfc9000/19.15/same-frame-again", Level.MUST, rows="F-37 C-41", expects=goes_on())
async def same_frame_again(tester: Tester) -> None:
    """The same NEW_CONNECTION_ID frame is no error when it comes again."""
    peer = await tester.connected()
    await peer.settled()
    for one in peer.connection.issued_connection_ids[-1:]:
        await peer.stimulus(
            frames.new_connection_id(one.sequence_number, one.cid, one.stateless_reset_token)
        )


@case(
    "rfc9000/19.15/sequence-number-again",
    Level.MAY,
    rows="F-38 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def sequence_number_again(tester: Tester) -> None:
    """Another connection ID with a sequence number that was used can close the connection."""
    peer = await tester.connected()
    await peer.settled()
    number = peer.connection.next_sequence_number - 1
    await peer.stimulus(frames.new_connection_id(number, random_bytes(8), random_bytes(16)))


@case(
    "rfc9000/19.15/connection-id-again-with-other-token",
    Level.MAY,
    rows="F-38 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def connection_id_again_with_other_token(tester: Tester) -> None:
    """The same connection ID with another stateless reset token can close the connection."""
    peer = await tester.connected()
    await peer.settled()
    one = peer.connection.issued_connection_ids[-1]
    await peer.stimulus(frames.new_connection_id(one.sequence_number, one.cid, random_bytes(16)))


@case(
    "rfc9000/19.15/new-connection-id-of-peer-without",
    Level.MUST,
    rows="F-43 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def new_connection_id_of_peer_without(tester: Tester) -> None:
    """NEW_CONNECTION_ID of a peer whose connection ID is empty is a PROTOCOL_VIOLATION."""
    peer = await tester.connected(connection_id_bytes=0)
    await peer.settled()
    await peer.stimulus(frames.new_connection_id(1, random_bytes(8), random_bytes(16)))


@case(
    "rfc9000/19.16/connection-id-never-issued",
    Level.MUST,
    rows="F-41 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def connection_id_never_issued(tester: Tester) -> None:
    """Retiring a connection ID that was never issued is a PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.stimulus(frames.retire_connection_id(1000))


@case(
    "rfc9000/19.16/retire-where-there-is-none",
    Level.MUST,
    rows="F-42 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def retire_where_there_is_none(tester: Tester) -> None:
    """An endpoint whose connection ID is empty takes RETIRE_CONNECTION_ID as an error."""
    peer = await tester.connected()
    if peer.connection.peer_connection_id:
        tester.not_applicable("the implementation's connection ID is not empty")
    await peer.stimulus(frames.retire_connection_id(0))


@case(
    "rfc9000/19.16/retire-the-one-in-use",
    Level.MAY,
    rows="F-44 C-41",
    expects=closes(PROTOCOL_VIOLATION),
)
async def retire_the_one_in_use(tester: Tester) -> None:
    """Retiring the connection ID that the packet itself goes to can close the connection."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(frames.retire_connection_id(peer.connection.sequence_number_in_use))
