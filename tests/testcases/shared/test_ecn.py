from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Ack, Ecn, EcnCounts, Side
from quicmatrix.testcases.shared.ecn import (
    client_marks_packets,
    client_reports_ecn_counts,
    ecn_counts_agree_with_the_marks,
    no_side_marks_congestion,
    server_marks_packets,
    server_reports_ecn_counts,
)
from tests.support.story import Leg, Story, breaks, client, doubtful, holds, server, together, trace


def ack(largest: int, ect_0: int | None = None, ect_1: int = 0, ce: int = 0) -> Ack:
    counts = None if ect_0 is None else EcnCounts(ect_0, ect_1, ce)
    return Ack(largest, 0, ((0, largest),), counts)


def c(*frames: Ack, **fields: object) -> Leg:
    return client.one_rtt(*frames, **fields).marked()


def s(*frames: Ack, **fields: object) -> Leg:
    return server.one_rtt(*frames, **fields).marked()


USUAL = trace(
    client.initial().marked(),
    together(server.initial(ack(0, 1)), server.handshake(), server.one_rtt()).marked(),
    together(client.initial(ack(0, 1)), client.handshake(ack(0, 1)), client.one_rtt(ack(0, 1))),
    s(ack(0)),
    s(),
    c(ack(2, 3)),
    s(ack(1, 1)),
)
PLAIN = trace(
    client.initial(),
    server.initial(ack(0)),
    together(client.initial(ack(0)), client.one_rtt()),
    server.one_rtt(ack(0)),
    client.one_rtt(ack(0)),
)
"""Nobody cares for ECN."""
SECRET = trace(client.initial().secret(), server.initial().secret())
CUT = trace(client.initial(), server.initial(), left_damage="cut off", right_damage="cut off")

ALL = (
    client_marks_packets,
    server_marks_packets,
    no_side_marks_congestion,
    client_reports_ecn_counts,
    server_reports_ecn_counts,
    ecn_counts_agree_with_the_marks,
)

STORIES = (
    *(holds(one, "as usual", USUAL) for one in ALL),
    *(doubtful(one, "the captures are cut off", CUT, "cut off") for one in ALL),
    *(doubtful(one, "there are no keys", SECRET, "could not be decrypted") for one in ALL[3:]),
    breaks(
        client_marks_packets,
        "it marks none",
        PLAIN,
        "none of its 4 packets is marked ECT(0) or ECT(1)",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        server_marks_packets,
        "it marks none",
        PLAIN,
        "none of its 2 packets is marked ECT(0) or ECT(1)",
        "right 2",
        side=Side.SERVER,
    ),
    holds(client_marks_packets, "ECT(1) is as good", trace(client.initial().marked(Ecn.ECT_1))),
    breaks(
        no_side_marks_congestion,
        "the server does",
        trace(client.initial(), s(), server.one_rtt().marked(Ecn.CE)),
        "it is marked CE",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        client_reports_ecn_counts,
        "it never does",
        PLAIN,
        "none of its 2 ACK frames has ECN counts",
        "left 3",
        side=Side.CLIENT,
    ),
    breaks(
        server_reports_ecn_counts,
        "it never does",
        PLAIN,
        "none of its 2 ACK frames has ECN counts",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        ecn_counts_agree_with_the_marks,
        "it counts more than came",
        trace(c(), s(), c(ack(0, 2))),
        "it counts 2 packets with ECT_0, but 1 came",
        "left 3",
        side=Side.CLIENT,
    ),
    breaks(
        ecn_counts_agree_with_the_marks,
        "it counts what was lost",
        trace(s(), s().lost(), c(ack(0, 2))),
        "it counts 2 packets with ECT_0, but 1 came",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        ecn_counts_agree_with_the_marks,
        "it takes one mark for the other",
        trace(c().marked(Ecn.ECT_1), s(ack(0, 1))),
        "it counts 1 packets with ECT_0, but 0 came",
        "right 2",
        side=Side.SERVER,
        violations=2,
    ),
    breaks(
        ecn_counts_agree_with_the_marks,
        "it forgets one that it acknowledges, which shows later",
        trace(c(), c(), c(), s(ack(1, 2)), s(ack(2, 2))),
        "it counts 2 packets with ECT_0, but acknowledges 3",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        ecn_counts_agree_with_the_marks,
        "each packet number space counts for itself",
        trace(client.initial().marked(), c(), s(ack(0, 2))),
        "it counts 2 packets with ECT_0, but 1 came",
        "right 3",
        side=Side.SERVER,
    ),
    holds(
        ecn_counts_agree_with_the_marks,
        "a repeated packet may count or not, and so may one that is not acknowledged yet",
        trace(c(number=0), c(number=0), c(number=1), s(ack(0, 1)), s(ack(0, 2)), s(ack(0, 3))),
    ),
    holds(
        ecn_counts_agree_with_the_marks,
        "0-RTT and 1-RTT packets share a space",
        trace(client.zero_rtt().marked(), c(), s(ack(1, 2))),
    ),
    holds(
        ecn_counts_agree_with_the_marks,
        "a peer may acknowledge more than there can be",
        trace(c(), s(Ack(1 << 60, 0, ((0, 1 << 60),), EcnCounts(1, 0, 0)))),
    ),
    doubtful(
        ecn_counts_agree_with_the_marks,
        "what we cannot decrypt may count",
        trace(c(), c().secret(), s(ack(0, 2))),
        "could not be decrypted",
    ),
    doubtful(
        ecn_counts_agree_with_the_marks,
        "a datagram that is no QUIC to us may have come with a mark",
        trace(c(), client.garbage().marked(), s(ack(0, 2))),
        "could not be decoded as QUIC",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
