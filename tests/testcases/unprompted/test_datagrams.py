from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Ack, ConnectionClose, Side
from quicmatrix.testcases.unprompted.datagrams import (
    coalesced_packets_share_a_destination,
    initial_datagrams_are_expanded,
)
from tests.support.story import (
    Story,
    breaks,
    client,
    crypto,
    doubtful,
    holds,
    server,
    together,
    trace,
    unexercised,
)

ACK = Ack(0, 0, ((0, 0),))
CLOSE = ConnectionClose(10, 0, "", application=False)

STORIES = (
    holds(
        initial_datagrams_are_expanded,
        "those that need it",
        trace(
            client.initial(crypto()).sized(1200),
            server.initial(ACK, crypto()).sized(1252),
            server.initial(ACK).sized(60),
            server.initial(CLOSE).sized(60),
            server.handshake(crypto()).sized(60),
        ),
    ),
    breaks(
        initial_datagrams_are_expanded,
        "a client's with an ACK alone has 1199 bytes",
        trace(client.initial(crypto()), client.initial(ACK).sized(1199)),
        "its datagram has 1199 bytes",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        initial_datagrams_are_expanded,
        "a server's that elicits an ACK has 1199 bytes",
        trace(client.initial(crypto()), server.initial(crypto()).sized(1199)),
        "its datagram has 1199 bytes",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        initial_datagrams_are_expanded,
        "a server's may elicit none",
        trace(client.initial(crypto()), server.initial().secret().sized(60)),
        "could not be decrypted",
    ),
    holds(
        coalesced_packets_share_a_destination,
        "in each datagram",
        trace(together(server.initial(), server.handshake()), server.one_rtt(dcid=b"another")),
    ),
    breaks(
        coalesced_packets_share_a_destination,
        "the second packet goes elsewhere",
        trace(together(server.initial(), server.handshake(dcid=b"another"))),
        "Handshake goes to 616e6f74686572, Initial before it to 636c69656e74",
        "right 1",
        side=Side.SERVER,
    ),
    unexercised(
        coalesced_packets_share_a_destination,
        "what follows may be no packet",
        trace(together(server.initial(), server.one_rtt(dcid=b"another").secret())),
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
