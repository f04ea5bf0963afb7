from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    ClientHello,
    NewConnectionId,
    NewToken,
    RetireConnectionId,
    Side,
    TransportParameters,
)
from quicmatrix.testcases.unprompted.connection_ids import (
    issued_connection_ids_keep_to_the_limit,
    new_tokens_are_unique,
    sequence_numbers_increase_by_1,
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
    trace,
    unexercised,
)


def issues(*sequences: int, retire_prior_to: int = 0) -> Leg:
    frames = [NewConnectionId(one, retire_prior_to, b"id %d" % one, bytes(16)) for one in sequences]
    return server.one_rtt(*frames)


def allows(limit: int | None) -> Leg:
    parameters = TransportParameters(active_connection_id_limit=limit)
    return client.initial(ClientHello((0x1301,), transport_parameters=parameters))


STORIES = (
    holds(sequence_numbers_increase_by_1, "from 1", trace(issues(1, 2), issues(3))),
    holds(
        sequence_numbers_increase_by_1,
        "from 2, with a preferred address",
        trace(issues(2), issues(3)),
    ),
    holds(
        sequence_numbers_increase_by_1,
        "in any order within a packet, as ngtcp2 writes them",
        trace(issues(3, 2, 1), issues(4)),
    ),
    holds(sequence_numbers_increase_by_1, "one is sent again", trace(issues(1, 2), issues(1))),
    breaks(
        sequence_numbers_increase_by_1,
        "one is left out",
        trace(issues(1), issues(3)),
        "3 follows 1",
        "right 2",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        sequence_numbers_increase_by_1,
        "the first is 3",
        trace(issues(3)),
        "the first one has sequence number 3",
        "right 1",
        side=Side.SERVER,
    ),
    doubtful(
        sequence_numbers_increase_by_1,
        "one may be hidden",
        trace(issues(1), issues(2).secret(), issues(3)),
        "could not be decrypted",
    ),
    holds(issued_connection_ids_keep_to_the_limit, "3 of 3", trace(allows(3), issues(1, 2))),
    holds(
        issued_connection_ids_keep_to_the_limit,
        "one is retired before",
        trace(allows(2), issues(1), client.one_rtt(RetireConnectionId(0)), issues(2)),
    ),
    holds(
        issued_connection_ids_keep_to_the_limit,
        "one asks for the retirement of the others",
        trace(allows(2), issues(1), issues(2, retire_prior_to=1)),
    ),
    breaks(
        issued_connection_ids_keep_to_the_limit,
        "4 of 3",
        trace(allows(3), issues(1, 2), issues(3)),
        "4 connection IDs are active, and the limit is 3",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        issued_connection_ids_keep_to_the_limit,
        "3 where no limit is said",
        trace(allows(None), issues(1), issues(2)),
        "3 connection IDs are active, and the limit is 2",
        "right 3",
        side=Side.SERVER,
    ),
    unexercised(issued_connection_ids_keep_to_the_limit, "the limit is hidden", trace(issues(1))),
    holds(
        new_tokens_are_unique,
        "each connection has its own",
        trace(
            server.one_rtt(NewToken(b"one")),
            server.one_rtt(NewToken(b"one")),
            server_2.one_rtt(NewToken(b"two")),
        ),
    ),
    breaks(
        new_tokens_are_unique,
        "two connections have one",
        trace(
            client.initial(),
            server.one_rtt(NewToken(b"one")),
            client_2.initial(),
            server_2.one_rtt(NewToken(b"one")),
        ),
        "the token is that of another connection",
        "right 4",
        "right 2",
        side=Side.SERVER,
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
