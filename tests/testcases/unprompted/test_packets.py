from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    VERSION_1,
    Ack,
    ConnectionClose,
    EncryptedExtensions,
    HandshakeDone,
    NewToken,
    Ping,
    RetireConnectionId,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.unprompted.packets import (
    client_discards_initial_keys,
    client_sends_no_frames_of_servers,
    connection_ids_have_20_bytes_at_most,
    first_destination_is_long_and_stays,
    frames_are_in_packets_that_may_have_them,
    only_received_packets_are_acknowledged,
    packet_numbers_increase,
    quic_bit_is_set,
    server_confirms_the_handshake,
    server_initials_have_no_token,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    crypto,
    doubtful,
    holds,
    server,
    server_2,
    together,
    trace,
    unexercised,
)

S, C = Side.SERVER, Side.CLIENT
CLOSE = ConnectionClose(0, 0, "", application=False)
APPLICATION_CLOSE = ConnectionClose(0, None, "", application=True)


def ack(low: int, high: int) -> Ack:
    return Ack(high, 0, ((low, high),))


def grease() -> Leg:
    return client.handshake(
        EncryptedExtensions(transport_parameters=TransportParameters(grease_quic_bit=True))
    )


STORIES = (
    holds(
        packet_numbers_increase,
        "in each space and connection",
        trace(
            server.initial(),
            server.handshake(),
            server.one_rtt(),
            server.one_rtt(number=7),
            server_2.one_rtt(),
        ),
    ),
    holds(
        packet_numbers_increase,
        "CONNECTION_CLOSE is repeated",
        trace(server.one_rtt(CLOSE, number=3), server.one_rtt(CLOSE, number=3)),
    ),
    breaks(
        packet_numbers_increase,
        "one is used again",
        trace(server.one_rtt(Ping(), number=3), server.one_rtt(Ping(), number=3)),
        "3 follows 3",
        "right 2",
        "right 1",
        side=S,
    ),
    breaks(
        packet_numbers_increase,
        "0-RTT and 1-RTT share a space",
        trace(client.zero_rtt(number=3), client.one_rtt(number=0)),
        "0 follows 3",
        "left 2",
        "left 1",
        side=C,
    ),
    doubtful(
        packet_numbers_increase,
        "one is hidden",
        trace(server.one_rtt(), server.one_rtt().secret()),
        "could not be decrypted",
    ),
    holds(
        only_received_packets_are_acknowledged,
        "in each space",
        trace(
            client.initial(), server.initial(ack(0, 0)), client.one_rtt(), server.one_rtt(ack(0, 0))
        ),
    ),
    breaks(
        only_received_packets_are_acknowledged,
        "one was lost",
        trace(client.one_rtt(), client.one_rtt().lost(), server.one_rtt(ack(0, 1))),
        "it acknowledges application data packet 0 to 1, which has not arrived",
        "right 2",
        side=S,
    ),
    breaks(
        only_received_packets_are_acknowledged,
        "one was of another space",
        trace(client.initial(number=5), server.one_rtt(ack(5, 5))),
        "it acknowledges application data packet 5 to 5, which has not arrived",
        "right 2",
        side=S,
    ),
    doubtful(
        only_received_packets_are_acknowledged,
        "what arrived is hidden",
        trace(client.one_rtt().secret(), server.one_rtt(ack(0, 0))),
        "could not be decrypted",
    ),
    holds(
        frames_are_in_packets_that_may_have_them,
        "in each type",
        trace(
            client.initial(crypto()),
            server.initial(ack(0, 0), crypto(), Ping()),
            server.handshake(CLOSE),
            client.zero_rtt(Stream(0, 0, 1, fin=True)),
            server.one_rtt(HandshakeDone(), NewToken(b"token")),
        ),
    ),
    breaks(
        frames_are_in_packets_that_may_have_them,
        "application close in Handshake",
        trace(server.handshake(APPLICATION_CLOSE)),
        "it has a ConnectionClose frame",
        "right 1",
        side=S,
    ),
    breaks(
        frames_are_in_packets_that_may_have_them,
        "STREAM in Initial",
        trace(client.initial(Stream(0, 0, 1, fin=True))),
        "it has a Stream frame",
        "left 1",
        side=C,
    ),
    breaks(
        frames_are_in_packets_that_may_have_them,
        "RETIRE_CONNECTION_ID in 0-RTT",
        trace(client.zero_rtt(RetireConnectionId(0))),
        "it has a RetireConnectionId frame",
        "left 1",
        side=C,
    ),
    holds(
        client_sends_no_frames_of_servers,
        "they are the server's",
        trace(client.one_rtt(Ping()), server.one_rtt(HandshakeDone())),
    ),
    breaks(
        client_sends_no_frames_of_servers,
        "HANDSHAKE_DONE",
        trace(client.one_rtt(HandshakeDone())),
        "it has a HandshakeDone frame",
        "left 1",
        side=C,
    ),
    holds(
        server_initials_have_no_token,
        "the client's has one",
        trace(client.initial(token=b"token"), server.initial()),
    ),
    breaks(
        server_initials_have_no_token,
        "it has",
        trace(client.initial(), server.initial(token=b"token")),
        "its token has 5 bytes",
        "right 2",
        side=S,
    ),
    holds(
        connection_ids_have_20_bytes_at_most,
        "20, and more in Version Negotiation",
        trace(client.initial(dcid=bytes(20)), server.initial(version=0, dcid=bytes(30))),
    ),
    breaks(
        connection_ids_have_20_bytes_at_most,
        "a source of 21",
        trace(client.initial(scid=bytes(21), version=VERSION_1)),
        "one has 21 bytes",
        "left 1",
        side=C,
    ),
    holds(
        quic_bit_is_set,
        "until the peer does without it",
        trace(server.initial(), grease(), server.one_rtt(fixed_bit=False)),
    ),
    breaks(
        quic_bit_is_set,
        "the peer has not said that it does without it",
        trace(server.one_rtt(fixed_bit=False), grease()),
        "its fixed bit is 0",
        "right 1",
        side=S,
    ),
    holds(
        first_destination_is_long_and_stays,
        "until the server answers",
        trace(
            client.initial(),
            client.initial(),
            server.initial(),
            client.initial(dcid=b"server"),
        ),
    ),
    breaks(
        first_destination_is_long_and_stays,
        "7 bytes",
        trace(client.initial(dcid=bytes(7))),
        "it goes to a connection ID of 7 bytes",
        "left 1",
        side=C,
    ),
    breaks(
        first_destination_is_long_and_stays,
        "another one in the second packet",
        trace(client.initial(), client.initial(dcid=bytes(8))),
        "it goes to 0000000000000000",
        "left 2",
        "left 1",
        side=C,
    ),
    holds(
        client_discards_initial_keys,
        "both in one datagram",
        trace(client.initial(), server.initial(), together(client.initial(), client.handshake())),
    ),
    breaks(
        client_discards_initial_keys,
        "an Initial follows",
        trace(client.initial(), client.handshake(), client.initial()),
        "it is an Initial packet",
        "left 3",
        "left 2",
        side=C,
    ),
    holds(
        server_confirms_the_handshake,
        "it does",
        trace(client.one_rtt(), server.one_rtt(ack(0, 0)), server.one_rtt(HandshakeDone())),
    ),
    breaks(
        server_confirms_the_handshake,
        "it only acknowledges",
        trace(client.one_rtt(), server.one_rtt(ack(0, 0))),
        "no HANDSHAKE_DONE frame is sent on its connection",
        "right 2",
        side=S,
    ),
    doubtful(
        server_confirms_the_handshake,
        "it may be hidden",
        trace(client.one_rtt(), server.one_rtt(ack(0, 0)), server.one_rtt().secret()),
        "could not be decrypted",
    ),
    unexercised(server_confirms_the_handshake, "it is not complete", trace(server.one_rtt(Ping()))),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
