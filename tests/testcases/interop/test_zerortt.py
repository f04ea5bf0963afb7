from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Ack, EncryptedExtensions, Ping, Side, Stream
from quicmatrix.testcases.interop.zerortt import (
    client_sends_0_rtt_data,
    client_sends_its_requests_in_0_rtt,
    client_sends_little_1_rtt_data,
    server_accepts_0_rtt_data,
    server_processes_0_rtt_packets,
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


def request(number: int, length: int = 260) -> Stream:
    return Stream(4 * number, 0, length, fin=True)


EARLY = client_2.zero_rtt(*map(request, range(4)))
ACKS = client_2.one_rtt(Ack(0, 0, ((0, 0),)))
FIRST = client.one_rtt(*map(request, range(20)))
"""The first connection's requests."""


AGAIN = client_2.one_rtt(*map(request, range(4)))
TAKEN = server_2.one_rtt(Ack(0, 0, ((0, 0),)))


def bulk(size: int) -> Leg:
    return client.one_rtt(Ping(), payload_size=size)


STORIES = (
    holds(client_sends_0_rtt_data, "even if it is lost", trace(EARLY.lost(), ACKS)),
    holds(client_sends_0_rtt_data, "even if it is secret", trace(EARLY.secret())),
    breaks(
        client_sends_0_rtt_data,
        "it waits",
        trace(FIRST, ACKS),
        "there is no 0-RTT packet",
        side=Side.CLIENT,
    ),
    doubtful(
        client_sends_0_rtt_data,
        "the capture is cut off before",
        trace(FIRST, left_damage="cut off"),
        "cut off",
    ),
    holds(
        client_sends_little_1_rtt_data,
        "5000 bytes",
        trace(bulk(4000), EARLY, client_2.one_rtt(payload_size=1000), server_2.one_rtt()),
    ),
    breaks(
        client_sends_little_1_rtt_data,
        "one byte more, on both connections",
        trace(bulk(1), bulk(4500), client_2.one_rtt(payload_size=500)),
        "they are 5001 bytes",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_sends_little_1_rtt_data,
        "enough of it is seen",
        trace(bulk(5001), left_damage="cut off"),
        "they are 5001 bytes",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        client_sends_little_1_rtt_data,
        "a payload's size is not known",
        trace(bulk(10), bulk(0).secret()),
        "the payload's size of 1-RTT (frame 2 left) is not known",
    ),
    doubtful(
        client_sends_little_1_rtt_data,
        "the capture is cut off",
        trace(bulk(10), left_damage="cut off"),
        "cut off",
    ),
    holds(
        client_sends_its_requests_in_0_rtt,
        "the first connection's, acknowledgments and probes do not count",
        trace(FIRST, EARLY, ACKS, client_2.one_rtt(Ping(), payload_size=9000)),
    ),
    holds(
        client_sends_its_requests_in_0_rtt,
        "half of them, and rejected ones again",
        trace(EARLY, client_2.one_rtt(*map(request, range(8)))),
    ),
    holds(
        client_sends_its_requests_in_0_rtt,
        "other streams are no requests",
        trace(EARLY, client_2.one_rtt(Stream(2, 0, 9000, fin=False))),
    ),
    holds(
        client_sends_its_requests_in_0_rtt,
        "the 0-RTT packets are secret, but nothing else has requests",
        trace(EARLY.secret(), ACKS),
    ),
    breaks(
        client_sends_its_requests_in_0_rtt,
        "one byte less than half of them",
        trace(
            client_2.zero_rtt(request(0, length=259)),
            client_2.one_rtt(request(0, length=10), request(1, length=260)),
        ),
        "260 of 519 bytes are in 1-RTT packets only",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_sends_its_requests_in_0_rtt,
        "too many, whatever other 1-RTT packets hide",
        trace(client_2.zero_rtt(Ping()), client_2.one_rtt(request(0)), client_2.one_rtt().secret()),
        "260 of 260 bytes are in 1-RTT packets only",
        "left 2",
        side=Side.CLIENT,
    ),
    doubtful(
        client_sends_its_requests_in_0_rtt,
        "the 0-RTT packets are secret, and others have requests",
        trace(EARLY.secret(), client_2.one_rtt(request(8))),
        "could not be decrypted, the first is 0-RTT",
    ),
    doubtful(
        client_sends_its_requests_in_0_rtt,
        "some requests are known, and a 1-RTT packet is secret",
        trace(EARLY, client_2.one_rtt(request(8)), client_2.one_rtt().secret()),
        "could not be decrypted, the first is 1-RTT",
    ),
    doubtful(
        client_sends_its_requests_in_0_rtt,
        "a 1-RTT packet is secret",
        trace(EARLY, client_2.one_rtt().secret()),
        "could not be decrypted, the first is 1-RTT",
    ),
    doubtful(
        client_sends_its_requests_in_0_rtt,
        "the capture is cut off before any",
        trace(FIRST, left_damage="cut off"),
        "cut off",
    ),
    holds(
        server_accepts_0_rtt_data,
        "on one connection",
        trace(
            server_2.handshake(EncryptedExtensions()),
            server_2.handshake(EncryptedExtensions(accepts_early_data=True)),
        ),
    ),
    breaks(
        server_accepts_0_rtt_data,
        "it rejects it",
        trace(EARLY, server_2.handshake(EncryptedExtensions())),
        "no EncryptedExtensions has the early_data extension",
        "right 2",
        side=Side.SERVER,
    ),
    holds(server_processes_0_rtt_packets, "it does", trace(EARLY, TAKEN)),
    unexercised(server_processes_0_rtt_packets, "none arrives", trace(EARLY.lost(), AGAIN, TAKEN)),
    breaks(
        server_processes_0_rtt_packets,
        "it drops all of them, and they come again in 1-RTT",
        trace(EARLY, EARLY, AGAIN, server_2.one_rtt(Ack(2, 0, ((2, 2),)))),
        "0-RTT data was sent, but not accepted: none of 2 packets is acknowledged, the first is "
        "0-RTT 0 (frame 1 right)",
        side=None,
    ),
    breaks(
        server_processes_0_rtt_packets,
        "what it acknowledges is the first connection's",
        trace(FIRST, EARLY, server.one_rtt(Ack(0, 0, ((0, 0),))), AGAIN),
        "0-RTT data was sent, but not accepted: none of 1 packets is acknowledged, the first is "
        "0-RTT 0 (frame 2 right)",
        side=None,
    ),
    doubtful(
        server_processes_0_rtt_packets,
        "the acknowledgments are secret",
        trace(EARLY, TAKEN.secret()),
        "could not be decrypted",
    ),
    doubtful(
        server_processes_0_rtt_packets,
        "the packet numbers are not known",
        trace(EARLY.secret(), TAKEN),
        "the packet number of 0-RTT (frame 1 right) is not known",
    ),
    doubtful(
        server_accepts_0_rtt_data,
        "there are no keys",
        trace(EARLY, server_2.handshake().secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
