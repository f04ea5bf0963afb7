from __future__ import annotations

import pytest
from story import Story, breaks, client, doubtful, holds, server, trace

from runner.trace.model import Side
from testcases.interop.handshake import server_sends_no_retry

STORIES = (
    holds(server_sends_no_retry, "it does not", trace(client.initial(), server.initial())),
    breaks(
        server_sends_no_retry,
        "it does, even if it is lost",
        trace(client.initial(), server.retry().lost(), client.initial(), server.initial()),
        "there is a Retry packet",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        server_sends_no_retry,
        "the capture is cut off",
        trace(client.initial(), right_damage="cut off"),
        "cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
