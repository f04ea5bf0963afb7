from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.shared.fragmentation import datagrams_are_not_fragmented as requirement
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

STORIES = (
    holds(requirement, "they are not", trace(client.initial(), server.initial())),
    holds(requirement, "without keys", trace(client.one_rtt().secret(), server.one_rtt())),
    breaks(
        requirement,
        "one of the server's, which was lost",
        trace(client.initial(), server.initial().sized(1600).fragmented().lost()),
        "its 1600 bytes are in 2 IP fragments",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        requirement,
        "it is no QUIC packet",
        trace(client.garbage().sized(4000).fragmented(3), server.initial()),
        "its 4000 bytes are in 3 IP fragments",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        requirement,
        "a capture is cut off",
        trace(client.initial(), server.initial(), right_damage="cut off"),
        "cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
