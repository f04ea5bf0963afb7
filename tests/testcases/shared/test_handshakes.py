from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.shared.handshakes import (
    fifty_handshakes,
    one_handshake,
    two_handshakes,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    client_2,
    doubtful,
    holds,
    server,
    server_2,
    together,
    trace,
)

FIRST = (client.initial(), together(server.initial(), server.handshake()), server.initial())
SECOND = (client_2.initial(), server_2.initial())


def attempt(number: int) -> tuple[Leg, ...]:
    """A connection that the server answers."""
    mine = replace(client, scid=b"c%d" % number, dcid=b"o%d" % number, connection=number)
    theirs = replace(server, scid=b"s%d" % number, dcid=b"c%d" % number, connection=number)
    return mine.initial(), theirs.initial(), theirs.initial().lost()


def attempts(count: int) -> list[Leg]:
    """So many of them."""
    return [leg for number in range(count) for leg in attempt(number)]


def retried(number: int) -> tuple[Leg, ...]:
    """A connection whose Initial came damaged, and was answered with a Retry, and then intact."""
    mine = replace(client, scid=b"c%d" % number, dcid=b"o%d" % number, connection=number)
    theirs = replace(server, scid=b"s%d" % number, dcid=b"c%d" % number, connection=number)
    return (
        mine.initial(token=b"damaged", connection=None).secret(),
        theirs.retry(token=b"retry", connection=None),
        mine.initial(token=b"new token"),
        theirs.initial(),
        mine.initial(token=b"retry", dcid=b"retry"),
        theirs.initial(scid=b"again"),
    )


STORIES = (
    holds(one_handshake, "one", trace(*FIRST)),
    holds(one_handshake, "the client repeats its Initial", trace(client.initial(), *FIRST)),
    holds(
        one_handshake,
        "after a Retry, whose connection ID does not count",
        trace(client.initial(), server.retry(), *FIRST),
    ),
    holds(
        one_handshake,
        "what the server sends counts, even if it is lost",
        trace(client.initial(), server.initial().lost()),
    ),
    breaks(
        one_handshake,
        "the client opens two connections",
        trace(*FIRST, *SECOND),
        "there are 2 instead of 1",
        "right 2",
        "right 5",
        side=Side.CLIENT,
    ),
    breaks(
        one_handshake,
        "the server takes a repeated Initial for another connection",
        trace(*FIRST, client.initial(), server.initial(scid=b"another")),
        "there are 2 instead of 1",
        "right 2",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        one_handshake,
        "two are too many, whatever is hidden",
        trace(*FIRST, *SECOND, right_damage="cut off"),
        "there are 2 instead of 1",
        "right 2",
        "right 5",
        side=Side.CLIENT,
    ),
    breaks(
        one_handshake,
        "the server does not answer",
        trace(client.initial(), client.initial()),
        "no Initial packet is answered",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        one_handshake,
        "the client never starts",
        trace(server.one_rtt()),
        "no Initial packet reaches the server",
        side=Side.CLIENT,
    ),
    breaks(
        one_handshake,
        "nothing of the client arrives",
        trace(client.initial().lost(), server.one_rtt()),
        "no Initial packet reaches the server",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        one_handshake,
        "the capture is cut off after one",
        trace(*FIRST, right_damage="cut off"),
        "the right capture is damaged: cut off",
    ),
    doubtful(
        one_handshake,
        "empty connection IDs do not tell handshakes apart",
        trace(client.initial(), server.initial(scid=b"", connection=None)),
        "the server uses empty connection IDs",
    ),
    doubtful(one_handshake, "there is nothing", trace(), "the right capture is empty"),
    holds(two_handshakes, "two", trace(*FIRST, *SECOND)),
    holds(
        two_handshakes,
        "two of a server with empty connection IDs",
        trace(
            client.initial(),
            server.initial(scid=b""),
            client_2.initial(),
            server_2.initial(scid=b""),
            server.initial(scid=b""),
        ),
    ),
    breaks(
        two_handshakes,
        "the client opens one connection",
        trace(*FIRST),
        "there is 1 instead of 2",
        "right 2",
        side=Side.CLIENT,
    ),
    doubtful(
        two_handshakes,
        "the capture is cut off after one",
        trace(*FIRST, right_damage="cut off"),
        "cut off",
    ),
    holds(fifty_handshakes, "fifty", trace(*attempts(50))),
    breaks(
        fifty_handshakes,
        "the client gives up on one",
        trace(*attempts(49)),
        "there are 49 instead of 50",
        *(f"right {3 * number + 2}" for number in range(49)),
        side=Side.CLIENT,
    ),
    breaks(
        fifty_handshakes,
        "the server answers one attempt twice, while a damaged Initial looks like another",
        trace(
            *attempts(50),
            client.initial(connection=None, scid=b"damaged").secret(),
            server.initial(scid=b"another"),
        ),
        "there are 51 instead of 50",
        *(f"right {3 * number + 2}" for number in range(50)),
        "right 152",
        side=Side.SERVER,
    ),
    holds(
        fifty_handshakes,
        "the server answers damaged tokens with a Retry, and intact copies as well",
        trace(*attempts(47), *(leg for number in (47, 48, 49) for leg in retried(number))),
    ),
    holds(
        one_handshake,
        "only the capture tells the connections of a client with empty connection IDs",
        trace(
            client.initial(scid=b""),
            server.retry(dcid=b""),
            server.initial(dcid=b""),
            server.initial(dcid=b"", scid=b"another"),
        ),
    ),
    breaks(
        fifty_handshakes,
        "a Retry to another connection excuses nothing",
        trace(*attempts(50), *retried(7), server.initial(scid=b"another", dcid=b"c8")),
        "there are 51 instead of 50",
        *(f"right {3 * number + 2}" for number in range(50)),
        "right 157",
        side=Side.SERVER,
    ),
    doubtful(
        fifty_handshakes,
        "the capture is cut off",
        trace(*attempts(49), right_damage="cut off"),
        "cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
