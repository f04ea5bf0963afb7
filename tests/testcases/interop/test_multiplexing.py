from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Side, Stream
from quicmatrix.testcases.interop.multiplexing import client_opens_1999_streams
from tests.support.story import Leg, Story, breaks, client, doubtful, holds, trace


def requests(*streams: int) -> Leg:
    return client.one_rtt(*(Stream(4 * number, 0, 20, fin=True) for number in streams))


MOST = requests(*range(1998))

STORIES = (
    holds(client_opens_1999_streams, "in two packets", trace(MOST, requests(1998))),
    breaks(
        client_opens_1999_streams,
        "one less, and some again",
        trace(MOST, requests(0, 1), client.one_rtt(Stream(2, 0, 20, fin=False))),
        "it opens 1998",
        side=Side.CLIENT,
    ),
    doubtful(
        client_opens_1999_streams,
        "one may be in a secret packet",
        trace(MOST, requests(1998).secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
