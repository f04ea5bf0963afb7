from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import VERSION_2, Side
from quicmatrix.testcases.shared.versions import name, server_initials_are_version_1
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

STORIES = (
    holds(
        server_initials_are_version_1,
        "only the server's count",
        trace(client.initial(version=VERSION_2), server.initial()),
    ),
    breaks(
        server_initials_are_version_1,
        "the server moves to version 2",
        trace(client.initial(), server.initial(), server.initial(version=VERSION_2)),
        "the version is 0x6b3343cf",
        "right 3",
        side=Side.SERVER,
    ),
    doubtful(
        server_initials_are_version_1,
        "the capture is cut off",
        trace(server.initial(), right_damage="cut off"),
        "cut off",
    ),
)


def test_names() -> None:
    assert [name(1), name(VERSION_2), name(None)] == ["0x00000001", "0x6b3343cf", "absent"]


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
