from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Crypto, Side
from quicmatrix.testcases.interop.amplificationlimit import (
    datagrams_of_the_client_are_dropped,
    server_reaches_the_amplification_limit,
    server_sends_the_whole_chain,
)
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace, unexercised

HELLO = client.initial()
START = server.handshake(Crypto(0, 1000))
REST = server.handshake(Crypto(7000, 500))

STORIES = (
    holds(server_sends_the_whole_chain, "as usual", trace(HELLO, START, REST)),
    holds(
        server_sends_the_whole_chain, "as far as it is known", trace(HELLO, START.secret(), REST)
    ),
    breaks(
        server_sends_the_whole_chain,
        "it has a chain of its own",
        trace(HELLO, START, server.handshake(Crypto(1000, 200))),
        "it sends 1200 bytes",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        server_sends_the_whole_chain,
        "it sends none",
        trace(HELLO, server.initial(Crypto(0, 8000))),
        "it sends 0 bytes",
        side=Side.SERVER,
    ),
    doubtful(
        server_sends_the_whole_chain,
        "there are no keys",
        trace(HELLO, START, REST.secret()),
        "could not be decrypted",
    ),
    holds(
        server_reaches_the_amplification_limit,
        "with room for 1199 bytes more",
        trace(HELLO, START, START.sized(1201), client.handshake(), REST),
    ),
    unexercised(
        server_reaches_the_amplification_limit,
        "the client's address is validated before",
        trace(HELLO, START, START, client.handshake(), REST),
        "the address is validated before",
    ),
    doubtful(
        server_reaches_the_amplification_limit,
        "the capture is cut off",
        trace(HELLO, START, right_damage="cut off"),
        "cut off",
    ),
    holds(
        datagrams_of_the_client_are_dropped,
        "by the scenario",
        trace(HELLO.told("#1 delivered after 15.1 ms"), HELLO.told("#2 dropped: droplist")),
    ),
    unexercised(
        datagrams_of_the_client_are_dropped,
        "only by a full queue",
        trace(HELLO.told("#1 delivered after 15.1 ms"), HELLO.told("#2 dropped: queue full")),
        "no datagram of the client is dropped",
    ),
    doubtful(
        datagrams_of_the_client_are_dropped,
        "the middlebox is another one",
        trace(HELLO),
        "does not tell",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
