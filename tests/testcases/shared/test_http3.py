from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Side, Stream
from quicmatrix.testcases.shared.http3 import each_side_opens_a_control_stream
from tests.support.story import Story, breaks, client, client_2, doubtful, holds, server, trace


def data(stream: int, head: bytes, offset: int = 0) -> Stream:
    return Stream(stream, offset, len(head), fin=False, data=head)


SETTINGS = bytes.fromhex("00 04 00")
CLIENTS = client.one_rtt(data(2, SETTINGS))
SERVERS = server.one_rtt(data(3, SETTINGS))
QPACK = bytes.fromhex("02")


STORIES = (
    holds(
        each_side_opens_a_control_stream,
        "beside other streams",
        trace(
            client.one_rtt(data(6, QPACK), data(0, b"\x01")),
            CLIENTS,
            SERVERS,
            server.one_rtt(data(7, QPACK), data(0, SETTINGS)),
        ),
    ),
    holds(
        each_side_opens_a_control_stream,
        "in pieces, out of order, repeated, and with long integers",
        trace(
            client.one_rtt(data(2, b"\x04", offset=2)),
            client.one_rtt(data(2, b"\x40\x00")),
            CLIENTS.but(frames=(data(2, b"\x40\x00"),)),
            SERVERS,
            server.one_rtt(data(3, bytes(16), offset=4000)),
        ),
    ),
    holds(
        each_side_opens_a_control_stream,
        "on each connection",
        trace(
            CLIENTS,
            SERVERS,
            client_2.one_rtt(data(2, SETTINGS)),
            SERVERS.but(connection=1),
        ),
    ),
    holds(
        each_side_opens_a_control_stream,
        "the client's is in 0-RTT",
        trace(client.zero_rtt(data(2, SETTINGS)), SERVERS, client.one_rtt(data(0, b"\x01"))),
    ),
    breaks(
        each_side_opens_a_control_stream,
        "the server does not",
        trace(CLIENTS, server.one_rtt(data(7, QPACK))),
        "the server opens no control stream",
        side=Side.SERVER,
    ),
    breaks(
        each_side_opens_a_control_stream,
        "the client sends nothing at all",
        trace(SERVERS),
        "the client opens no control stream",
        side=Side.CLIENT,
    ),
    breaks(
        each_side_opens_a_control_stream,
        "the client starts with GOAWAY",
        trace(client.one_rtt(data(2, bytes.fromhex("00 07 01"))), SERVERS),
        "the first frame of the client's control stream has type 0x07",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        each_side_opens_a_control_stream,
        "a reserved frame type comes first, in two bytes",
        trace(CLIENTS, server.one_rtt(data(3, bytes.fromhex("00 4040 00")))),
        "the first frame of the server's control stream has type 0x40",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        each_side_opens_a_control_stream,
        "the control stream stays empty",
        trace(CLIENTS, server.one_rtt(data(3, b"\x00"))),
        "the server sends nothing on its control stream",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        each_side_opens_a_control_stream,
        "there are two",
        trace(CLIENTS, SERVERS, server.one_rtt(data(11, SETTINGS))),
        "the server opens another control stream",
        "right 3",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        each_side_opens_a_control_stream,
        "a wrong frame is one, whatever is hidden",
        trace(client.one_rtt(data(2, b"\x00\x07")), client.one_rtt().secret(), SERVERS.secret()),
        "the first frame of the client's control stream has type 0x07",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        each_side_opens_a_control_stream,
        "it may be in a secret packet",
        trace(CLIENTS, SERVERS.secret()),
        "packets of the server could not be decrypted",
    ),
    doubtful(
        each_side_opens_a_control_stream,
        "its first frame may be in a secret packet",
        trace(CLIENTS, server.one_rtt(data(3, b"\x00")), server.one_rtt().secret()),
        "packets of the server could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
