from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import NewConnectionId, Ping, RetireConnectionId, Side
from quicmatrix.testcases.shared.connection_ids import (
    server_keeps_its_source_connection_id,
    server_retires_connection_ids_of_left_paths,
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
    unfinished,
)


def issue(sequence: int) -> NewConnectionId:
    return NewConnectionId(sequence, 0, b"id %d" % sequence, bytes(16))


def at(path: int, *frames: RetireConnectionId) -> Leg:
    """A packet of the server on one of the client's paths, with a connection ID for that path."""
    dcid = b"id %d" % path if path else b"client"
    return server.one_rtt(Ping(), *frames, dcid=dcid).behind(50000 + path)


ISSUED = (client.initial(), server.initial(), client.one_rtt(issue(1), issue(2)))
RETIRED = unfinished(*ISSUED, at(0), at(1, RetireConnectionId(0)), at(2, RetireConnectionId(1)))

STORIES = (
    holds(
        server_keeps_its_source_connection_id,
        "on each of two connections",
        trace(client.initial(), server.initial(), client_2.initial(), *[server_2.initial()] * 2),
    ),
    unexercised(
        server_keeps_its_source_connection_id,
        "a client without connection IDs",
        trace(server.initial(dcid=b""), server_2.initial(dcid=b"")),
    ),
    breaks(
        server_keeps_its_source_connection_id,
        "it acknowledges half a ClientHello with the client's own",
        trace(client.initial(), server.initial(scid=b"original"), server.initial()),
        "it is 736572766572, and was 6f726967696e616c before",
        "right 3",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        server_keeps_its_source_connection_id,
        "the capture is cut off",
        trace(client.initial(), server.initial(), right_damage="cut off"),
        "cut off",
    ),
    holds(server_retires_connection_ids_of_left_paths, "it does", RETIRED),
    holds(server_retires_connection_ids_of_left_paths, "it works", trace(*ISSUED, at(0), at(1))),
    unexercised(
        server_retires_connection_ids_of_left_paths,
        "there is one left",
        unfinished(*ISSUED, at(0), at(1)),
    ),
    unexercised(
        server_retires_connection_ids_of_left_paths,
        "there is only one path",
        unfinished(client.initial(), server.initial(), server.one_rtt()),
    ),
    breaks(
        server_retires_connection_ids_of_left_paths,
        "it runs out of them",
        unfinished(*ISSUED, at(0), at(1), at(2), client.one_rtt(Ping()).behind(50003)),
        "it has used all 3 connection IDs of the client, and keeps 2 that it used on other paths "
        "only",
        "right 4",
        "right 5",
        side=Side.SERVER,
    ),
    doubtful(
        server_retires_connection_ids_of_left_paths,
        "it may have retired them",
        unfinished(*ISSUED, at(0), at(1), at(2), at(2).secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
