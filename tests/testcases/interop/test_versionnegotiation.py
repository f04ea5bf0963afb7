from __future__ import annotations

from typing import Any

import pytest

from quicmatrix.runner.model.attempt import LinkRecord
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, PacketType, Side
from quicmatrix.testcases.interop.versionnegotiation import (
    client_abandons_the_attempt,
    client_asks_for_an_unknown_version,
    client_receives_version_negotiation,
    server_sends_one_version_negotiation_for_one_datagram,
    version_negotiation_offers_version_1,
    version_negotiation_swaps_the_connection_ids,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    doubtful,
    holds,
    record,
    server,
    trace,
    unexercised,
)

GREASE = 0x1A2A3A4A
HELLO = client.initial(version=GREASE).secret()


def refusal(**fields: Any) -> Leg:
    usual = {
        "type": PacketType.VERSION_NEGOTIATION,
        "version": 0,
        "scid": b"original",
        "dcid": b"client",
        "number": None,
        "supported_versions": (VERSION_1, VERSION_2),
    }
    return server.initial().but(**{**usual, **fields})


REFUSAL = refusal()
AGAIN = client.initial(dcid=b"fresh")
"""Another attempt, in version 1."""

ALL = (
    client_receives_version_negotiation,
    version_negotiation_swaps_the_connection_ids,
    version_negotiation_offers_version_1,
    server_sends_one_version_negotiation_for_one_datagram,
    client_abandons_the_attempt,
)
CUT = trace(HELLO, left_damage="cut off", right_damage="cut off")

STORIES = (
    *(holds(one, "as usual", trace(HELLO, REFUSAL)) for one in ALL),
    *(holds(one, "the first is lost", trace(HELLO.lost(), HELLO, REFUSAL)) for one in ALL),
    *(holds(one, "another attempt follows", trace(HELLO, REFUSAL, AGAIN)) for one in ALL),
    holds(client_asks_for_an_unknown_version, "as usual", trace(HELLO, REFUSAL)),
    holds(client_asks_for_an_unknown_version, "it is not answered", trace(HELLO)),
    breaks(
        client_asks_for_an_unknown_version,
        "it asks for version 1",
        trace(client.initial(), server.initial()),
        "it is 0x00000001",
        "left 1",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_asks_for_an_unknown_version,
        "it asks for version 2, which the server has",
        trace(client.initial(version=VERSION_2), server.initial(version=VERSION_2)),
        "it is 0x6b3343cf",
        "left 1",
        "left 2",
        side=Side.CLIENT,
    ),
    doubtful(
        client_asks_for_an_unknown_version,
        "its first packet may be hidden",
        trace(left_damage="cut off"),
        "cut off",
    ),
    breaks(
        client_receives_version_negotiation,
        "the client asks for version 1",
        trace(client.initial(), server.initial()),
        "no Version Negotiation packet answers it",
        "left 1",
        side=Side.CLIENT,
    ),
    *(doubtful(one, "the captures are cut off", CUT, "cut off") for one in ALL),
    breaks(
        client_receives_version_negotiation,
        "the server does not answer",
        trace(HELLO, HELLO),
        "no Version Negotiation packet answers it",
        "left 1",
        side=Side.SERVER,
    ),
    breaks(
        client_receives_version_negotiation,
        "the answer has another connection ID",
        trace(HELLO, refusal(scid=b"mine")),
        "no Version Negotiation packet answers it",
        "left 1",
        side=Side.SERVER,
    ),
    breaks(
        client_receives_version_negotiation,
        "the client sends nothing",
        trace(server.one_rtt()),
        "it sends nothing",
        side=Side.CLIENT,
    ),
    breaks(
        client_receives_version_negotiation,
        "nobody sends anything",
        trace(),
        "it sent nothing",
        side=Side.CLIENT,
    ),
    *(
        doubtful(
            client_receives_version_negotiation, f"the captures are empty, {why}", seen, "empty"
        )
        for why, seen in (
            ("though packets were forwarded", record(link=LinkRecord(forwarded_to_server=1))),
            ("since packets were dropped", record(link=LinkRecord(dropped=1))),
            ("and not complete", record(link=LinkRecord(incomplete="they reached a limit"))),
        )
    ),
    doubtful(
        client_receives_version_negotiation,
        "the captures are damaged and empty",
        trace(left_damage="gone", right_damage="gone"),
        "gone",
    ),
    breaks(
        version_negotiation_swaps_the_connection_ids,
        "it does not",
        trace(HELLO, refusal(scid=b"client", dcid=b"original")),
        "no packet of the client had these connection IDs",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        version_negotiation_offers_version_1,
        "it does not",
        trace(HELLO, refusal(supported_versions=(VERSION_2,))),
        "it lists 0x6b3343cf",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        version_negotiation_offers_version_1,
        "it offers nothing",
        trace(HELLO, refusal(supported_versions=())),
        "it lists none",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        version_negotiation_offers_version_1,
        "it offers what it refuses",
        trace(HELLO, refusal(supported_versions=(VERSION_1, GREASE))),
        "it lists 0x1a2a3a4a",
        "right 2",
        "right 1",
        side=Side.SERVER,
    ),
    holds(
        server_sends_one_version_negotiation_for_one_datagram,
        "one for each of two",
        trace(HELLO, HELLO, REFUSAL, REFUSAL),
    ),
    breaks(
        server_sends_one_version_negotiation_for_one_datagram,
        "two for the only one that arrives",
        trace(HELLO.lost(), HELLO, REFUSAL, REFUSAL),
        "it is number 2 after 1 datagrams",
        "right 3",
        side=Side.SERVER,
    ),
    holds(
        client_abandons_the_attempt,
        "one was on its way",
        trace(HELLO, REFUSAL, HELLO),
    ),
    breaks(
        client_abandons_the_attempt,
        "it does not take the answer in",
        trace(HELLO, REFUSAL, HELLO.after(0.5), HELLO.after(1.502), HELLO.after(3.5)),
        "its version is 0x1a2a3a4a still, 1.5 s after the refusal",
        "left 4",
        "left 2",
        side=Side.CLIENT,
        violations=2,
    ),
    unexercised(
        client_abandons_the_attempt,
        "it need not believe what lists its own version",
        trace(HELLO, refusal(supported_versions=(GREASE,)), HELLO.after(2)),
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
