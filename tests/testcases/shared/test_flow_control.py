from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    MaxData,
    MaxStreamData,
    MaxStreams,
    Ping,
    ResetStream,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.shared.flow_control import (
    client_keeps_to_the_stream_limit,
    client_raises_its_flow_control_limits,
    server_allows_at_most_1000_streams,
    server_keeps_to_flow_control,
    server_raises_the_stream_limit,
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

WINDOWS = TransportParameters(
    initial_max_data=100,
    initial_max_stream_data_bidi_local=50,
    initial_max_stream_data_bidi_remote=20,
    initial_max_stream_data_uni=10,
)
HELLO = client.initial(ClientHello((), transport_parameters=WINDOWS))


def data(stream: int, offset: int, length: int) -> Stream:
    return Stream(stream, offset, length, fin=False)


def extensions(limit: int | None) -> Leg:
    parameters = TransportParameters(initial_max_streams_bidi=limit)
    return server.handshake(EncryptedExtensions(transport_parameters=parameters))


def request(number: int) -> Leg:
    return client.one_rtt(data(4 * (number - 1), 0, 10))


STORIES = (
    holds(
        client_raises_its_flow_control_limits,
        "the connection's",
        trace(client.one_rtt(MaxData(1000))),
    ),
    holds(
        client_raises_its_flow_control_limits,
        "a stream's, beside a secret packet",
        trace(client.one_rtt(MaxStreamData(0, 1000)), client.one_rtt().secret()),
    ),
    breaks(
        client_raises_its_flow_control_limits,
        "only the server does",
        trace(client.one_rtt(Ping()), server.one_rtt(MaxData(1000))),
        "no MAX_DATA or MAX_STREAM_DATA frame of the client",
        side=Side.CLIENT,
    ),
    doubtful(
        client_raises_its_flow_control_limits,
        "a packet is secret",
        trace(client.one_rtt(Ping()), client.one_rtt(MaxData(1)).secret()),
        "could not be decrypted",
    ),
    holds(
        server_keeps_to_flow_control,
        "up to both limits, twice",
        trace(
            HELLO,
            server.one_rtt(data(0, 0, 50), data(4, 0, 50)),
            server.one_rtt(data(0, 0, 50)),
            client.one_rtt(MaxData(110), MaxStreamData(0, 60)),
            client.one_rtt(MaxData(90), MaxStreamData(0, 30)),
            server.one_rtt(data(0, 50, 10)),
        ),
    ),
    holds(
        server_keeps_to_flow_control,
        "each kind of stream has its limit",
        trace(HELLO, server.one_rtt(data(0, 0, 50), data(1, 0, 20), data(3, 0, 10))),
    ),
    breaks(
        server_keeps_to_flow_control,
        "one byte too many on a stream, told once",
        trace(HELLO, server.one_rtt(data(0, 40, 11)), server.one_rtt(data(0, 51, 1))),
        "51 bytes on stream 0, whose limit is 50",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_keeps_to_flow_control,
        "on a stream of the server's own",
        trace(HELLO, server.one_rtt(data(3, 0, 11))),
        "11 bytes on stream 3, whose limit is 10",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_keeps_to_flow_control,
        "one byte too many on all streams, told once",
        trace(
            HELLO,
            server.one_rtt(data(0, 0, 50), data(4, 0, 50), data(8, 0, 1)),
            server.one_rtt(data(8, 1, 1)),
        ),
        "101 bytes on all streams, whose limit is 100",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_keeps_to_flow_control,
        "a reset stream counts in full",
        trace(HELLO, server.one_rtt(ResetStream(0, 0, 51))),
        "51 bytes on stream 0, whose limit is 50",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_keeps_to_flow_control,
        "the raise is lost on its way to the server",
        trace(HELLO, client.one_rtt(MaxStreamData(0, 60)).lost(), server.one_rtt(data(0, 0, 51))),
        "51 bytes on stream 0, whose limit is 50",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        server_keeps_to_flow_control,
        "a secret packet of the client may have raised the limit",
        trace(HELLO, client.one_rtt().secret(), server.one_rtt(data(0, 0, 51))),
        "packets of the client could not be decrypted",
    ),
    doubtful(
        server_keeps_to_flow_control,
        "a packet of the server is secret",
        trace(HELLO, server.one_rtt().secret()),
        "packets of the server could not be decrypted",
    ),
    doubtful(
        server_keeps_to_flow_control,
        "the ClientHello was not seen",
        trace(client.initial(), server.one_rtt(data(0, 0, 51))),
        "the ClientHello that sets the limits of 1-RTT 0 (frame 2 right) was not seen",
    ),
    doubtful(
        server_keeps_to_flow_control,
        "the connection is not known",
        trace(HELLO, server.one_rtt(data(0, 0, 51), connection=None)),
        "the ClientHello that sets the limits",
    ),
    holds(server_allows_at_most_1000_streams, "1000", trace(extensions(1000))),
    holds(server_allows_at_most_1000_streams, "none at first", trace(extensions(None))),
    breaks(
        server_allows_at_most_1000_streams,
        "1001",
        trace(client.initial(), extensions(1001)),
        "initial_max_streams_bidi is 1001",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_allows_at_most_1000_streams,
        "there is no handshake",
        trace(client.initial()),
        "the server sends no transport parameters",
        side=Side.SERVER,
    ),
    doubtful(
        server_allows_at_most_1000_streams,
        "there are no keys",
        trace(extensions(100).secret()),
        "could not be decrypted",
    ),
    holds(
        server_raises_the_stream_limit,
        "from 100 to 200",
        trace(extensions(100), server.one_rtt(MaxStreams(200, bidirectional=True))),
    ),
    breaks(
        server_raises_the_stream_limit,
        "only that of unidirectional streams, or not up",
        trace(
            extensions(100),
            server.one_rtt(MaxStreams(200, bidirectional=False)),
            server.one_rtt(MaxStreams(100, bidirectional=True)),
        ),
        "no MAX_STREAMS frame raises it",
        side=Side.SERVER,
    ),
    doubtful(
        server_raises_the_stream_limit,
        "a packet is secret",
        trace(extensions(100), server.one_rtt().secret()),
        "could not be decrypted",
    ),
    holds(
        client_keeps_to_the_stream_limit,
        "after each raise, with gaps",
        trace(
            extensions(2),
            request(2),
            server.one_rtt(MaxStreams(4, bidirectional=True)),
            server.one_rtt(MaxStreams(3, bidirectional=True)),
            request(4),
            request(1),
        ),
    ),
    unexercised(
        client_keeps_to_the_stream_limit,
        "other streams have other limits, 0-RTT those of before",
        trace(
            client.zero_rtt(data(40, 0, 1)),
            extensions(0),
            client.one_rtt(data(2, 0, 1), data(1, 0, 1)),
        ),
    ),
    breaks(
        client_keeps_to_the_stream_limit,
        "one too many, told once",
        trace(extensions(2), request(1), request(3), request(4)),
        "stream number 3 where 2 are permitted",
        "left 3",
        side=Side.CLIENT,
    ),
    breaks(
        client_keeps_to_the_stream_limit,
        "the raise is lost on its way to the client",
        trace(extensions(2), server.one_rtt(MaxStreams(9, bidirectional=True)).lost(), request(3)),
        "stream number 3 where 2 are permitted",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_keeps_to_the_stream_limit,
        "another limit is raised",
        trace(extensions(2), server.one_rtt(MaxStreams(9, bidirectional=False)), request(3)),
        "stream number 3 where 2 are permitted",
        "left 3",
        side=Side.CLIENT,
    ),
    doubtful(
        client_keeps_to_the_stream_limit,
        "a secret packet of the server may have raised the limit",
        trace(extensions(2), server.one_rtt().secret(), request(3)),
        "packets of the server could not be decrypted",
    ),
    doubtful(
        client_keeps_to_the_stream_limit,
        "a packet of the client is secret",
        trace(extensions(2), request(3).secret()),
        "packets of the client could not be decrypted",
    ),
    doubtful(
        client_keeps_to_the_stream_limit,
        "the transport parameters are secret",
        trace(extensions(2).secret(), request(1)),
        "the EncryptedExtensions that sets the limits of 1-RTT 0 (frame 2 left) was not seen",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
