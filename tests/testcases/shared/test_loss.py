from __future__ import annotations

import pytest

from quicmatrix.testcases.shared.loss import (
    datagrams_of_the_client_are_lost,
    datagrams_of_the_server_are_lost,
)
from tests.support.story import Leg, Story, client, doubtful, holds, server, trace, unexercised


def delivered(leg: Leg) -> Leg:
    return leg.told("#1 delivered after 15.1 ms")


def lost(leg: Leg, reason: str = "random loss") -> Leg:
    return leg.told(f"#2 dropped: {reason}")


START = (delivered(client.initial()), delivered(server.initial()))
BOTH = (datagrams_of_the_client_are_lost, datagrams_of_the_server_are_lost)

STORIES = (
    *(
        holds(one, "both ways", trace(*START, lost(server.one_rtt()), lost(client.one_rtt())))
        for one in BOTH
    ),
    *(
        unexercised(
            one,
            "only by a full queue",
            trace(
                *START, lost(server.one_rtt(), "queue full"), lost(client.one_rtt(), "queue full")
            ),
            "is lost",
        )
        for one in BOTH
    ),
    *(
        doubtful(
            one,
            "the captures are cut off",
            trace(*START, left_damage="cut off", right_damage="cut off"),
            "cut off",
        )
        for one in BOTH
    ),
    *(
        doubtful(
            one,
            "the middlebox is another one",
            trace(client.initial(), server.initial()),
            "not tell",
        )
        for one in BOTH
    ),
    unexercised(
        datagrams_of_the_client_are_lost,
        "only the server's are",
        trace(*START, lost(server.one_rtt())),
        "no datagram of the client is lost",
    ),
    unexercised(
        datagrams_of_the_server_are_lost,
        "only the client's are",
        trace(*START, lost(client.one_rtt())),
        "no datagram of the server is lost",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
