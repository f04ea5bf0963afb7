from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Ack, Ping, Side
from quicmatrix.testcases.interop.longrtt import (
    client_repeats_its_client_hello,
    round_trip_outlasts_the_first_probe_timeout,
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

STORIES = (
    holds(
        client_repeats_its_client_hello,
        "in another packet",
        trace(client.initial(crypto()), client.initial(crypto()), server.initial()),
    ),
    holds(
        client_repeats_its_client_hello,
        "the first one is lost",
        trace(client.initial(crypto()).lost(), client.initial(crypto())),
    ),
    holds(
        client_repeats_its_client_hello,
        "in one datagram",
        trace(together(client.initial(crypto()), client.initial(crypto()))),
    ),
    breaks(
        client_repeats_its_client_hello,
        "it has two packets, but is sent once",
        trace(
            client.initial(crypto("hel")),
            client.initial(crypto("lo", offset=3)),
            client.initial(Ping(), Ack(0, 0, ((0, 0),))),
        ),
        "the client sends 1 instead of 2 or more",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_repeats_its_client_hello,
        "there is none",
        trace(server.initial(crypto()), client.initial(crypto(""))),
        "the client sends 0 instead of 2 or more",
        side=Side.CLIENT,
    ),
    doubtful(
        client_repeats_its_client_hello,
        "an Initial cannot be read",
        trace(client.initial(crypto()), client.initial(crypto()).secret()),
        "1 of 2 packets of the client could not be decrypted",
    ),
    holds(
        round_trip_outlasts_the_first_probe_timeout,
        "1.5 seconds, whatever comes later",
        trace(
            client.initial().after(0),
            client.initial().secret().after(1),
            server.initial().secret().after(1.5),
            server.initial().after(1.6),
        ),
    ),
    unexercised(
        round_trip_outlasts_the_first_probe_timeout,
        "the network is too fast",
        trace(client.initial().after(0), server.initial().after(0.03)),
        "it arrives after 30 ms",
    ),
    unexercised(
        round_trip_outlasts_the_first_probe_timeout,
        "nothing arrives",
        trace(client.initial(), server.initial().lost()),
        "no packet of the server arrives",
    ),
    doubtful(
        round_trip_outlasts_the_first_probe_timeout,
        "the first packet may be hidden",
        trace(client.garbage(), client.initial(), server.initial().after(2)),
        "could not be decoded as QUIC",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
