from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import PathChallenge, PathResponse, Side
from quicmatrix.testcases.shared.amplification import (
    server_keeps_to_the_amplification_limit,
    server_stays_below_fourfold_amplification,
)
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

HELLO = client.initial()
FLIGHT = (server.initial(), server.handshake(), server.handshake())
"""Three times of what a ClientHello has."""
MORE = server.handshake()
LAST = server.handshake().sized(1199)
"""So that four times are nearly reached."""
CHOSEN = client.initial(dcid=b"8 octets")
"""To a connection ID of the server."""
BOTH = (server_keeps_to_the_amplification_limit, server_stays_below_fourfold_amplification)
CHALLENGE = PathChallenge(b"12345678")

STORIES = (
    *(holds(one, "exactly three times", trace(HELLO, *FLIGHT)) for one in BOTH),
    *(
        holds(one, "more after a Handshake packet", trace(HELLO, *FLIGHT, client.handshake(), MORE))
        for one in BOTH
    ),
    *(
        holds(
            one,
            "more after a packet to a connection ID that the server chose",
            trace(HELLO, server.initial(scid=b"8 octets"), CHOSEN.sized(50), *FLIGHT, MORE),
        )
        for one in BOTH
    ),
    *(
        holds(
            one,
            "more after a Retry's token came back",
            trace(HELLO, server.retry(token=b"t"), client.initial(token=b"t"), *FLIGHT, MORE, MORE),
        )
        for one in BOTH
    ),
    *(
        holds(one, "more for each datagram that comes", trace(HELLO, *FLIGHT, HELLO, *FLIGHT))
        for one in BOTH
    ),
    *(
        holds(
            one,
            "more on a new path after its validation",
            trace(
                HELLO,
                client.handshake(),
                *FLIGHT,
                client.one_rtt().sized(100).behind(50001),
                server.one_rtt(CHALLENGE).sized(300).behind(50001),
                client.one_rtt(PathResponse(b"12345678")).sized(50).behind(50001),
                server.one_rtt().behind(50001),
            ),
        )
        for one in BOTH
    ),
    breaks(
        server_keeps_to_the_amplification_limit,
        "a datagram too many",
        trace(HELLO, HELLO.lost(), *FLIGHT, LAST, LAST),
        "with this datagram the server has sent 4799 bytes for 1200",
        "right 5",
        side=Side.SERVER,
    ),
    holds(
        server_stays_below_fourfold_amplification,
        "a datagram too many is tolerated",
        trace(HELLO, *FLIGHT, LAST),
    ),
    breaks(
        server_stays_below_fourfold_amplification,
        "two datagrams too many",
        trace(HELLO, *FLIGHT, MORE, MORE),
        "with this datagram the server has sent 4800 bytes for 1200",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        server_stays_below_fourfold_amplification,
        "a short connection ID can be guessed, and a made-up token proves nothing",
        trace(
            HELLO,
            server.initial(scid=b"7 octet"),
            client.initial(dcid=b"7 octet", token=b"mine").sized(0),
            MORE,
            MORE,
            MORE,
        ),
        "with this datagram the server has sent 4800 bytes for 1200",
        "right 6",
        side=Side.SERVER,
    ),
    breaks(
        server_keeps_to_the_amplification_limit,
        "a new path is no excuse",
        trace(
            HELLO,
            client.handshake(),
            *FLIGHT,
            client.one_rtt().sized(100).behind(50001),
            server.one_rtt(CHALLENGE).behind(50001),
        ),
        "with this datagram the server has sent 1200 bytes for 100",
        "right 7",
        side=Side.SERVER,
    ),
    *(
        doubtful(
            one,
            "an unreadable packet may hold a PATH_RESPONSE",
            trace(
                HELLO,
                client.handshake(),
                client.one_rtt().sized(100).behind(50001).secret(),
                server.one_rtt(CHALLENGE).behind(50001),
            ),
            "1-RTT (frame 3 right) could not be read, and may have validated the address",
        )
        for one in BOTH
    ),
    *(
        doubtful(
            one,
            "an undecodable datagram may be a Handshake packet",
            trace(HELLO, *FLIGHT, client.garbage().sized(1), MORE, MORE),
            "frame 5 could not be read, and may have validated the address",
        )
        for one in BOTH
    ),
    *(
        doubtful(
            one, "the capture is cut off", trace(HELLO, *FLIGHT, right_damage="cut off"), "cut off"
        )
        for one in BOTH
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
