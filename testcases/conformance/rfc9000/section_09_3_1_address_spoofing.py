"""RFC 9000, 9.3.1 and 9.3.2: what a server does with an address that never answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import keeps, shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.paths import (
    is_probing,
    path_in_use_before,
    sent_on,
)
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

PROBING_TYPES = (
    FrameType.PADDING,
    FrameType.NEW_CONNECTION_ID,
    FrameType.PATH_CHALLENGE,
    FrameType.PATH_RESPONSE,
)
"""RFC 9000, 9.1."""
VALIDATION_S = 6.0
"""Seconds after which path validation has failed: three times the initial PTO is less."""


async def _spoofed(tester: Tester) -> Peer:
    """A connection of which a request came from an address that never answers."""
    peer = await tester.connected()
    request = f"GET {tester.path_of_file}\r\n".encode()
    path = tester.new_path(is_watched=True)
    await peer.stimulus(frames.stream(peer.new_stream(), request, fin=True), path=path)
    return peer


@case(
    "rfc9000/9.3.1/three-times-to-an-address-that-is-not-validated",
    Level.MUST,
    rows="B-10",
    roles=SERVER,
    expects=keeps(server_keeps_to_the_amplification_limit),
)
async def three_times_to_an_address_that_is_not_validated(tester: Tester) -> None:
    """To a new address a server sends three times of what came from there until it is validated."""
    await _spoofed(tester)
    await tester.answers(4)


def reverts_to_the_old_path(exchange: Exchange) -> Iterator[Finding]:
    """A non-probing packet on the old path before anything else comes from there."""
    old = path_in_use_before(exchange)
    spoofed = sent_on(exchange, exchange.stimulus.path)
    later = [
        one.frame_number
        for one in exchange.capture.datagrams
        if one.sender is exchange.tester
        and one.path == old
        and one.frame_number > exchange.stimulus.frame_number
    ]
    until = min(later, default=1 << 60)
    back = [one for one in sent_on(exchange, old) if one.datagram.frame_number < until]
    found = next((one for one in back if not is_probing(one)), None)
    if found is not None:
        yield Held(found, exchange.stimulus)
    elif not spoofed:
        yield NotExercised("it does not follow its client to the new address")
    else:
        yield Violation(
            "it sends nothing more to the last address that was validated",
            spoofed[-1],
            exchange.stimulus,
        )


@case(
    "rfc9000/9.3.2/validation-fails",
    Level.MUST,
    rows="B-11",
    roles=SERVER,
    expects=shows(reverts_to_the_old_path),
)
async def validation_fails(tester: Tester) -> None:
    """When a new address does not answer, a server returns to the last one that was validated."""
    peer = await _spoofed(tester)
    known = len(peer.connection.frames)
    peer.is_held_back = True  # a PATH_CHALLENGE on the old path (9.3.3) is not answered

    def is_back() -> bool:
        return any(one.type not in PROBING_TYPES for one in peer.connection.frames[known:])

    await tester.until(is_back, "a non-probing packet on the old path", VALIDATION_S)
    peer.release()
