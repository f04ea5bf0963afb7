from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Address, EncryptedExtensions, Side, TransportParameters
from quicmatrix.testcases.interop.connectionmigration import (
    client_migrates_to_another_address_of_the_server,
    server_prefers_another_address,
)
from tests.support.story import Leg, Story, breaks, client, doubtful, holds, server, trace

PREFERRED = Address("193.167.100.100", 4443)


def extensions(*, preferred: bool) -> Leg:
    parameters = TransportParameters(has_preferred_address=preferred)
    return server.handshake(EncryptedExtensions(transport_parameters=parameters))


HELLO = client.initial()
MIGRATED = trace(
    HELLO, extensions(preferred=True), client.one_rtt(), client.one_rtt().on(PREFERRED)
)
BOTH = (server_prefers_another_address, client_migrates_to_another_address_of_the_server)

STORIES = (
    *(holds(one, "as usual", MIGRATED) for one in BOTH),
    breaks(
        server_prefers_another_address,
        "it does not",
        trace(HELLO, extensions(preferred=False)),
        "it does not",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        server_prefers_another_address,
        "there are no keys",
        trace(HELLO, extensions(preferred=True).secret()),
        "could not be decrypted",
    ),
    breaks(
        client_migrates_to_another_address_of_the_server,
        "it only tries another address at first",
        trace(HELLO, HELLO.on(PREFERRED), client.one_rtt()),
        "it sends to 1",
        "left 3",
        side=Side.CLIENT,
    ),
    doubtful(
        client_migrates_to_another_address_of_the_server,
        "the capture is cut off before",
        trace(HELLO, client.one_rtt(), left_damage="cut off"),
        "cut off",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
