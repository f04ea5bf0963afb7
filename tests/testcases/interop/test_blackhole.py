from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Stream
from quicmatrix.testcases.interop.blackhole import outage_falls_into_the_transfer
from tests.support.story import Leg, Story, client, doubtful, holds, server, trace, unexercised

DATA = server.one_rtt(Stream(0, 0, 1000, fin=False))
PROBE = server.one_rtt()


def came(leg: Leg) -> Leg:
    return leg.told("#1 delivered after 15.1 ms")


def gone(leg: Leg) -> Leg:
    return leg.told("#1 dropped: blackhole")


REQUEST = came(client.initial())

STORIES = (
    holds(
        outage_falls_into_the_transfer,
        "as usual",
        trace(REQUEST, came(DATA), gone(DATA), gone(PROBE), came(PROBE), came(DATA)),
    ),
    unexercised(
        outage_falls_into_the_transfer,
        "the transfer is over by then",
        trace(REQUEST, came(DATA), came(DATA)),
        "the outage drops no datagram of the server",
    ),
    unexercised(
        outage_falls_into_the_transfer,
        "it takes the last data",
        trace(REQUEST, came(DATA), gone(DATA), came(PROBE)),
        "no stream data comes through after the outage",
    ),
    unexercised(
        outage_falls_into_the_transfer,
        "it takes the first data",
        trace(REQUEST, came(PROBE), gone(DATA), came(DATA)),
        "no stream data comes through before the outage",
    ),
    unexercised(
        outage_falls_into_the_transfer,
        "a full queue is no outage",
        trace(REQUEST, came(DATA), DATA.told("#1 dropped: queue full"), came(DATA)),
        "the outage drops no datagram of the server",
    ),
    doubtful(
        outage_falls_into_the_transfer,
        "there are no keys",
        trace(REQUEST, came(DATA.secret()), gone(DATA.secret()), came(DATA.secret())),
        "could not be decrypted",
    ),
    doubtful(
        outage_falls_into_the_transfer,
        "the capture is cut off",
        trace(REQUEST, came(DATA), right_damage="cut off"),
        "cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
