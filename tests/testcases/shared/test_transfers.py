from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.trace.model import (
    Ack,
    ClientHello,
    ConnectionClose,
    MaxData,
    MaxStreamData,
    Ping,
    ResetStream,
    Side,
    StopSending,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.model import Observation
from quicmatrix.testcases.shared.transfers import (
    client_is_done_when_all_is_delivered,
    client_raises_limits_that_stop_the_server,
    delivered_data_is_acknowledged,
    lost_data_is_sent_again,
    server_sends_answers_to_their_end,
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
    trace,
    unexercised,
    unfinished,
)

LOST, FORWARDED = "#1 dropped: rebound", "#1 delivered after 15.0 ms"
CLOSE = ConnectionClose(0, None, "", application=True)
LIMITS = TransportParameters(initial_max_data=5000, initial_max_stream_data_bidi_local=3000)
HELLO = (client.initial(ClientHello((), transport_parameters=LIMITS)), server.initial())
REQUEST = client.one_rtt(Stream(0, 0, 20, fin=True))


def data(start: int, end: int, *, fin: bool = False, stream: int = 0) -> Leg:
    return server.one_rtt(Stream(stream, start, end - start, fin=fin))


def ack(*numbers: int) -> Leg:
    return client.one_rtt(Ack(numbers[-1], 0, tuple((one, one) for one in reversed(numbers))))


TAKEN = server.one_rtt(Ack(0, 0, ((0, 0),)))
"""Acknowledges the request; the server's packet number 0."""
ASKED = (*HELLO, REQUEST, TAKEN)
END = client.one_rtt(Ping())
ALL = (
    delivered_data_is_acknowledged,
    lost_data_is_sent_again,
    client_raises_limits_that_stop_the_server,
    server_sends_answers_to_their_end,
    client_is_done_when_all_is_delivered,
)
WHOLE = unfinished(*ASKED, data(0, 1000), data(1000, 1024, fin=True), ack(1, 2), END.after(9))
"""The file has 1024 bytes."""


def after(seen: Observation, seconds: float) -> Observation:
    """The same attempt, whose client ran for so long."""
    return replace(
        seen,
        record=replace(seen.record, client=replace(seen.record.client, duration_s=seconds)),
    )


STORIES = (
    *(holds(one, "it works", trace(*ASKED, data(0, 1024, fin=True), ack(1))) for one in ALL),
    *(holds(one, "all is acknowledged", WHOLE) for one in ALL[:-1]),
    *(
        doubtful(
            one,
            "the captures are cut off",
            unfinished(*HELLO, left_damage="cut off", right_damage="cut off"),
            "cut off",
        )
        for one in ALL
    ),
    # --- Lost data
    breaks(
        lost_data_is_sent_again,
        "the server forgets what was under way to an address that is gone",
        unfinished(
            *(*ASKED, data(0, 1000), data(1000, 2000).told(LOST), data(2000, 3000)),
            *(ack(1, 3), END.after(4)),
        ),
        "bytes 1000 to 1999 of stream 0 were never acknowledged, and in the last 4.0 s not sent "
        "again",
        "right 6",
        side=Side.SERVER,
    ),
    breaks(
        lost_data_is_sent_again,
        "the server forgets the FIN",
        unfinished(*ASKED, data(0, 9), data(9, 9, fin=True).told(LOST), ack(1), END.after(4)),
        "the FIN of stream 0 was never acknowledged, and in the last 4.0 s not sent again",
        "right 6",
        side=Side.SERVER,
    ),
    breaks(
        lost_data_is_sent_again,
        "the client forgets its request",
        unfinished(*HELLO, REQUEST.told(LOST), END.after(4)),
        "bytes 0 to 19 of stream 0 were never acknowledged, and in the last 4.0 s not sent again",
        "left 3",
        side=Side.CLIENT,
    ),
    breaks(
        lost_data_is_sent_again,
        "the server forgets its Handshake packets",
        unfinished(*HELLO, server.handshake(crypto("hello")).told(LOST), client.initial().after(4)),
        "bytes 0 to 4 of the CRYPTO data in Handshake packets were never acknowledged, and in the "
        "last 4.0 s not sent again",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        lost_data_is_sent_again,
        "nobody sends anything, and the client waits",
        after(unfinished(*ASKED, data(0, 1000).told(LOST)), 10),
        "bytes 0 to 999 of stream 0 were never acknowledged, and in the last 8.0 s not sent again",
        "right 5",
        side=Side.SERVER,
    ),
    unexercised(
        lost_data_is_sent_again,
        "a sender doubles its timeout with each copy",
        unfinished(*HELLO, data(0, 9).told(LOST), data(0, 9).told(LOST).after(1), END.after(6.9)),
    ),
    unexercised(
        lost_data_is_sent_again,
        "the connection is closed before it is time",
        unfinished(*HELLO, data(0, 9).told(LOST), client.one_rtt(CLOSE), END.after(9)),
    ),
    unexercised(
        lost_data_is_sent_again,
        "a client that has Handshake packets has the Initial ones",
        unfinished(HELLO[0], server.initial(crypto("hello")), client.handshake().after(9)),
    ),
    unexercised(
        lost_data_is_sent_again,
        "what nobody wants any more is not sent again",
        unfinished(
            *(*HELLO, data(0, 9).told(LOST), client.one_rtt(StopSending(0, 0))),
            *(server.one_rtt(ResetStream(0, 0, 9)), END.after(9)),
        ),
    ),
    doubtful(
        lost_data_is_sent_again,
        "the copy may be secret",
        unfinished(*ASKED, data(0, 9).told(LOST), data(0, 9).secret(), END.after(4)),
        "could not be decrypted",
    ),
    holds(
        server_sends_answers_to_their_end,
        "what was damaged on the way is no gap",
        unfinished(
            *(
                *ASKED,
                client.one_rtt()
                .secret()
                .told("#1 delivered after 15.0 ms, byte 7 changed from 0x01 to 0x02"),
            ),
            *(data(0, 9, fin=True), ack(1)),
        ),
    ),
    # --- Data that arrives
    breaks(
        delivered_data_is_acknowledged,
        "the client takes nothing in",
        unfinished(
            *(*ASKED, data(0, 9).told(FORWARDED), data(0, 9).told(LOST).after(1)),
            *(data(0, 9).told(FORWARDED).after(t) for t in (2, 4)),
            ack(0),
        ),
        "bytes 0 to 8 of stream 0 were delivered 3 times, and in 4.0 s never acknowledged",
        "right 5",
        side=Side.CLIENT,
    ),
    unexercised(
        delivered_data_is_acknowledged,
        "what is lost, or perhaps lost, needs no acknowledgment",
        unfinished(*HELLO, *(data(0, 9).told(LOST).after(t) for t in (1, 2)), data(0, 9).after(8)),
    ),
    doubtful(
        delivered_data_is_acknowledged,
        "the acknowledgment may be secret",
        unfinished(
            *HELLO, *(data(0, 9).told(FORWARDED).after(t) for t in (1, 2, 5)), ack(0).secret()
        ),
        "could not be decrypted",
    ),
    # --- Flow control
    breaks(
        client_raises_limits_that_stop_the_server,
        "a stream's is never raised",
        unfinished(*ASKED, data(0, 3000), ack(1), END.after(4)),
        "it has acknowledged all bytes up to the limit of stream 0, 3000, and does not raise it in "
        "4.0 s",
        "right 5",
        side=Side.CLIENT,
    ),
    breaks(
        client_raises_limits_that_stop_the_server,
        "the connection's is never raised",
        unfinished(
            *(*ASKED, client.one_rtt(MaxStreamData(0, 9000)), data(0, 5000), ack(1)),
            END.after(4),
        ),
        "it has acknowledged all bytes up to the limit of the connection, 5000, and does not raise "
        "it in 4.0 s",
        "right 6",
        side=Side.CLIENT,
    ),
    unexercised(
        client_raises_limits_that_stop_the_server,
        "it raises both, and the server does not go on",
        unfinished(
            *(*ASKED, data(0, 3000), ack(1)),
            *(client.one_rtt(MaxStreamData(0, 9000), MaxData(9000)), END.after(4)),
        ),
    ),
    unexercised(
        client_raises_limits_that_stop_the_server,
        "it is about to",
        unfinished(*ASKED, data(0, 3000), ack(1), END.after(2)),
    ),
    unexercised(
        client_raises_limits_that_stop_the_server,
        "it has not got all that was sent",
        unfinished(*ASKED, data(0, 1000), data(1000, 3000).told(LOST), ack(1), END.after(4)),
    ),
    doubtful(
        client_raises_limits_that_stop_the_server,
        "the limits are not known",
        unfinished(REQUEST, data(0, 3000), ack(0), END.after(4)),
        "the ClientHello that sets the client's limits was not seen",
    ),
    # --- Answers
    breaks(
        server_sends_answers_to_their_end,
        "it never answers",
        unfinished(*ASKED, END.after(4)),
        "the request on stream 0 is not answered in 4.0 s",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        server_sends_answers_to_their_end,
        "it stops in the middle",
        unfinished(*ASKED, data(0, 1000), ack(1), END.after(4)),
        "its answer on stream 0 ends after 1000 bytes, without FIN, 4.0 s before the end",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        server_sends_answers_to_their_end,
        "it resets the stream",
        unfinished(*ASKED, data(0, 1000), server.one_rtt(ResetStream(0, 1, 1000)), END),
        "it resets stream 0, which has a request",
        "right 6",
        side=Side.SERVER,
    ),
    unexercised(
        server_sends_answers_to_their_end,
        "the request has no end yet",
        unfinished(*HELLO, client.one_rtt(Stream(0, 0, 20, fin=False)), TAKEN, END.after(9)),
    ),
    unexercised(
        server_sends_answers_to_their_end,
        "it is about to",
        unfinished(*ASKED, data(0, 1000), ack(1), END.after(2)),
    ),
    doubtful(
        server_sends_answers_to_their_end,
        "the answer may be secret",
        unfinished(*ASKED, data(0, 1000).secret(), END.after(4)),
        "could not be decrypted",
    ),
    # --- The client
    breaks(
        client_is_done_when_all_is_delivered,
        "it drops the FIN",
        WHOLE,
        "it has acknowledged all bytes and the FIN of 1 answers, and is not done",
        "right 6",
        side=Side.CLIENT,
    ),
    unexercised(
        client_is_done_when_all_is_delivered,
        "the FIN is not acknowledged",
        unfinished(*ASKED, data(0, 1000), data(1000, 1024, fin=True), ack(1), END),
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
