from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Crypto, Side
from quicmatrix.testcases.interop.amplificationlimit import server_sends_the_whole_chain
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

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
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
