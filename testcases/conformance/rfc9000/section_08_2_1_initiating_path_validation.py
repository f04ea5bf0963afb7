"""RFC 9000, 8.2.1: initiating path validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.expectations import keeps
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import FULL, challenged, rebound
from quicmatrix.testcases.model import Level
from quicmatrix.testcases.shared.paths import (
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
    server_repeats_small_path_challenges,
)

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/8.2.1/path-challenge-is-expanded",
    Level.MUST,
    rows="B-09",
    roles=SERVER,
    expects=keeps(path_challenges_are_expanded),
)
async def path_challenge_is_expanded(tester: Tester) -> None:
    """A PATH_CHALLENGE frame is in a datagram of 1200 bytes, if the limit of 3 times allows it."""
    peer = await rebound(tester)
    await challenged(peer)


@case(
    "rfc9000/8.2.1/path-challenges-differ",
    Level.MUST,
    rows="B-09",
    roles=SERVER,
    expects=keeps(path_challenges_are_unpredictable),
)
async def path_challenges_differ(tester: Tester) -> None:
    """The data of PATH_CHALLENGE frames on different paths differs."""
    peer = await rebound(tester)
    await challenged(peer)
    path = tester.new_path()
    peer.rebind(path)
    await peer.send(frames.ping(), shape=FULL, path=path)
    await challenged(peer, 2)


@case(
    "rfc9000/8.2.1/small-path-challenge-is-followed-by-a-large-one",
    Level.MUST,
    rows="B-51",
    roles=SERVER,
    expects=keeps(server_repeats_small_path_challenges),
)
async def small_path_challenge_is_followed_by_a_large_one(tester: Tester) -> None:
    """After a PATH_CHALLENGE in less than 1200 bytes was answered, one in 1200 bytes follows."""
    peer = await rebound(tester, is_small=True)
    await challenged(peer, 2)
