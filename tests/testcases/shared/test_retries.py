from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.shared.retries import server_sends_no_retry
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

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
