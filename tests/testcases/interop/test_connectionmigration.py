from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    Ack,
    Address,
    EncryptedExtensions,
    Frame,
    PathChallenge,
    PathResponse,
    PreferredAddress,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.interop.connectionmigration import (
    client_migrates_to_another_address_of_the_server,
    client_validates_the_preferred_address,
    server_prefers_another_address,
    server_sends_on_the_new_path,
    server_waits_for_the_client_to_move,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    doubtful,
    holds,
    server,
    trace,
    unexercised,
)

PREFERRED = Address("193.167.100.100", 4443)


PREFERRED_6 = Address("fd00:cafe:cafe:100::100", 4443)
ONE, TWO = PathChallenge(b"1" * 8), PathChallenge(b"2" * 8)
REPLY, REPLY_2 = PathResponse(b"1" * 8), PathResponse(b"2" * 8)
DATA = Stream(0, 0, 1000, fin=False)
ACK = Ack(0, 0, ((0, 0),))


def extensions(*preferred: Address) -> Leg:
    parameters = TransportParameters(
        has_preferred_address=bool(preferred),
        preferred_address=PreferredAddress(b"id", bytes(16), preferred) if preferred else None,
    )
    return server.handshake(EncryptedExtensions(transport_parameters=parameters))


def asks(*frames: Frame) -> Leg:
    """A packet of the client to the preferred address."""
    return client.one_rtt(*frames).on(PREFERRED)


def says(*frames: Frame) -> Leg:
    """A packet of the server from its preferred address."""
    return server.one_rtt(*frames).on(PREFERRED)


HELLO = client.initial()
START = (HELLO, extensions(PREFERRED), client.one_rtt(DATA), server.one_rtt(DATA))
MIGRATED = trace(
    *(*START, asks(ONE), says(REPLY), server.one_rtt(DATA)),
    *(asks(ACK), says(TWO), asks(REPLY_2), says(DATA)),
)
ALL = (
    server_prefers_another_address,
    client_migrates_to_another_address_of_the_server,
    server_sends_on_the_new_path,
    client_validates_the_preferred_address,
    server_waits_for_the_client_to_move,
)
MOVE = ALL[1:3]
ON_ONE_PATH = "the connection has one path only"

STORIES = (
    *(holds(one, "as usual", MIGRATED) for one in ALL),
    breaks(
        server_prefers_another_address,
        "it does not",
        trace(HELLO, extensions()),
        "it offers no other address",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        server_prefers_another_address,
        "there are no keys",
        trace(HELLO, extensions(PREFERRED).secret()),
        "could not be decrypted",
    ),
    *(
        breaks(
            one,
            "no address is offered",
            trace(HELLO, extensions(), client.one_rtt(DATA)),
            f"{ON_ONE_PATH}: it offers no other address",
            "right 2",
            side=Side.SERVER,
        )
        for one in MOVE
    ),
    *(
        breaks(
            one,
            "one of the other family is offered",
            trace(HELLO, extensions(PREFERRED_6), client.one_rtt(DATA)),
            f"{ON_ONE_PATH}: the client uses IPv4, and the server offers "
            "[fd00:cafe:cafe:100::100]:4443 alone",
            side=None,
        )
        for one in MOVE
    ),
    *(
        breaks(
            one,
            "the offer is ignored",
            trace(HELLO, extensions(PREFERRED, PREFERRED_6), client.one_rtt(DATA)),
            f"{ON_ONE_PATH}: it ignores the offered 193.167.100.100:4443 and "
            "[fd00:cafe:cafe:100::100]:4443",
            "left 3",
            side=Side.CLIENT,
        )
        for one in MOVE
    ),
    *(
        breaks(
            one,
            "what is offered is secret",
            trace(HELLO, extensions(PREFERRED).secret(), client.one_rtt(DATA)),
            f"{ON_ONE_PATH}; what it was offered is not known",
            side=None,
        )
        for one in MOVE
    ),
    breaks(
        client_migrates_to_another_address_of_the_server,
        "it only tries another address at first",
        trace(HELLO, HELLO.on(PREFERRED), extensions(PREFERRED), client.one_rtt()),
        f"{ON_ONE_PATH}: it ignores the offered 193.167.100.100:4443",
        "left 4",
        side=Side.CLIENT,
    ),
    breaks(
        server_sends_on_the_new_path,
        "it does not answer there",
        trace(*START, asks(ONE), asks(ONE)),
        "the server never sends on this path",
        "right 5",
        side=Side.SERVER,
    ),
    *(
        doubtful(
            one,
            "the capture is cut off before",
            trace(HELLO, client.one_rtt(), left_damage="cut off", right_damage="cut off"),
            "cut off",
        )
        for one in ALL[1:]
    ),
    unexercised(client_validates_the_preferred_address, "it stays", trace(*START)),
    unexercised(client_validates_the_preferred_address, "it probes", trace(*START, asks(ONE))),
    breaks(
        client_validates_the_preferred_address,
        "it goes there without a probe",
        trace(*START, asks(ACK), says(TWO, DATA), asks(REPLY_2)),
        "193.167.100.100:4443 is not validated: there was no PATH_CHALLENGE",
        "left 5",
        side=Side.CLIENT,
    ),
    breaks(
        client_validates_the_preferred_address,
        "it does not wait for the answer to its probe",
        trace(*START, asks(ONE), asks(ACK), says(REPLY), asks(ACK)),
        "193.167.100.100:4443 is not validated",
        "left 6",
        side=Side.CLIENT,
    ),
    breaks(
        client_validates_the_preferred_address,
        "the answer is to something else",
        trace(*START, asks(ONE), says(REPLY_2), asks(ACK)),
        "193.167.100.100:4443 is not validated",
        "left 7",
        side=Side.CLIENT,
    ),
    holds(
        client_validates_the_preferred_address,
        "the answer comes from the old address",
        trace(*START, asks(ONE), server.one_rtt(REPLY), asks(ACK)),
    ),
    doubtful(
        client_validates_the_preferred_address,
        "the answer may be secret",
        trace(*START, asks(ONE), says(REPLY).secret(), asks(ACK)),
        "could not be decrypted",
    ),
    unexercised(
        server_waits_for_the_client_to_move,
        "it only answers a probe there",
        trace(*START, asks(ONE), says(REPLY, TWO)),
    ),
    breaks(
        server_waits_for_the_client_to_move,
        "it moves at the first probe",
        trace(*START, asks(ONE), says(REPLY, DATA), asks(ACK), says(DATA)),
        "the client has sent probing packets to 193.167.100.100:4443 only",
        "right 6",
        side=Side.SERVER,
    ),
    doubtful(
        server_waits_for_the_client_to_move,
        "what the client sent there is secret",
        trace(*START, asks(ONE), asks(ACK).secret(), says(REPLY, DATA)),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
