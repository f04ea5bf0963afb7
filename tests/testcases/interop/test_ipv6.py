from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.interop.ipv6 import server_sends_nothing_over_ipv4
from tests.support.story import SERVER_6, Story, breaks, client, doubtful, holds, server, trace

CLIENT_6 = replace(client, address=SERVER_6)
SERVER = replace(server, address=SERVER_6)

STORIES = (
    holds(
        server_sends_nothing_over_ipv4,
        "although the client tries",
        trace(client.initial(), CLIENT_6.initial(), SERVER.initial(), SERVER.one_rtt().secret()),
    ),
    breaks(
        server_sends_nothing_over_ipv4,
        "it answers over IPv4",
        trace(
            CLIENT_6.initial(), SERVER.initial(), server.one_rtt().secret().lost(), server.one_rtt()
        ),
        "2 packets are from 193.167.100.100:443",
        "right 3",
        side=Side.SERVER,
    ),
    doubtful(
        server_sends_nothing_over_ipv4,
        "the capture is cut off",
        trace(SERVER.initial(), right_damage="cut off"),
        "cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
