from __future__ import annotations

import pytest

from quicmatrix.testcases.shared.corruption import damaged_datagrams_arrive
from tests.support.story import Leg, Story, client, doubtful, holds, server, trace, unexercised


def delivered(leg: Leg, number: int) -> Leg:
    return leg.told(f"#{number} delivered after 15.1 ms")


def damaged(leg: Leg, number: int) -> Leg:
    return leg.told(f"#{number} delivered after 15.1 ms, byte 5 changed from 0x01 to 0x00")


USUAL = (
    damaged(client.initial(), 1),
    delivered(client.initial(), 2),
    damaged(server.initial(), 1),
    damaged(server.initial(), 2),
)

STORIES = (
    holds(damaged_datagrams_arrive, "both ways", trace(*USUAL)),
    holds(
        damaged_datagrams_arrive,
        "one way",
        trace(delivered(client.initial(), 1), damaged(server.initial(), 1)),
    ),
    holds(
        damaged_datagrams_arrive,
        "what is dropped elsewhere is not damaged",
        trace(*USUAL, client.initial().told("#3 dropped: queue full")),
    ),
    doubtful(
        damaged_datagrams_arrive,
        "they end up nowhere, as in quic-network-simulator",
        trace(delivered(client.initial(), 1), damaged(server.initial(), 1).lost()),
        "1 of 1 damaged datagrams of the server are not delivered, the first is #1, frame 2",
    ),
    unexercised(
        damaged_datagrams_arrive,
        "there are none",
        trace(delivered(client.initial(), 1), delivered(server.initial(), 1)),
        "no datagram was damaged",
    ),
    doubtful(
        damaged_datagrams_arrive,
        "the captures are somebody else's",
        trace(client.initial()),
        "does not tell what became of frame 1",
    ),
    doubtful(
        damaged_datagrams_arrive,
        "the other capture is cut off",
        trace(*USUAL, damaged(client.initial(), 3).lost(), right_damage="cut off"),
        "the right capture is damaged: cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
