"""RFC 9000, 8.2.2: responses to PATH_CHALLENGE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.endpoint.tester.peer import random_bytes
from quicmatrix.runner.trace.model import (
    Packet,
    PathChallenge,
    PathResponse,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import (
    shows,
)
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def responses(exchange: Exchange) -> list[Packet]:
    """The packets with a PATH_RESPONSE to the stimulus, one for each such frame."""
    challenges = {
        frame.data
        for packet in exchange.stimulus_packets
        for frame in packet.frames
        if isinstance(frame, PathChallenge)
    }
    return [
        packet
        for packet in exchange.after
        for frame in packet.frames
        if isinstance(frame, PathResponse) and frame.data in challenges
    ]


def answers_once(exchange: Exchange) -> Iterator[Finding]:
    """There is one PATH_RESPONSE, on the path of the PATH_CHALLENGE."""
    found, stimulus = responses(exchange), exchange.stimulus
    if not found:
        yield Violation("there is no PATH_RESPONSE", stimulus, side=exchange.side)
    elif len(found) > 1:
        yield Violation(f"there are {len(found)} PATH_RESPONSE frames", *found, stimulus)
    elif found[0].path != stimulus.path:
        yield Violation("the PATH_RESPONSE is sent on another path", found[0], stimulus)
    else:
        yield Held(found[0], stimulus)


def expands_response(exchange: Exchange) -> Iterator[Finding]:
    """Datagrams with a PATH_RESPONSE have 1,200 bytes at least."""
    for packet in responses(exchange):
        if packet.datagram.size < DATAGRAM_BYTES:
            yield Violation(f"the datagram has {packet.datagram.size} bytes", packet)
        else:
            yield Held(packet)


@case(
    "rfc9000/8.2.2/path-challenge-is-answered",
    Level.MUST,
    rows="F-49 C-41 C-50",
    expects=shows(answers_once),
)
async def path_challenge_is_answered(tester: Tester) -> None:
    """A PATH_CHALLENGE is answered with one PATH_RESPONSE of the same data, on the same path."""
    peer = await tester.connected()
    await peer.settled()
    sent = await peer.stimulus(
        frames.path_challenge(random_bytes(8)), shape=Shape(datagram_size=DATAGRAM_BYTES)
    )
    await peer.received(FrameType.PATH_RESPONSE)
    await peer.acknowledged(sent)


@case(
    "rfc9000/8.2.2/path-response-is-expanded",
    Level.MUST,
    rows="F-49 B-52 C-41 C-50",
    expects=shows(expands_response),
)
async def path_response_is_expanded(tester: Tester) -> None:
    """A datagram with a PATH_RESPONSE has 1,200 bytes at least, once the address is validated."""
    peer = await tester.connected()
    await peer.settled()
    await peer.stimulus(
        frames.path_challenge(random_bytes(8)), shape=Shape(datagram_size=DATAGRAM_BYTES)
    )
    await peer.received(FrameType.PATH_RESPONSE)
