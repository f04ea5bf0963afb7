from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import EncryptedExtensions, ResetStream, Side, Stream
from quicmatrix.testcases.unprompted.streams import (
    final_sizes_do_not_change,
    http3_begins_with_a_control_stream,
    reset_streams_are_silent,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    doubtful,
    holds,
    server,
    server_2,
    trace,
    unexercised,
)


def data(end: int, *, stream: int = 0, fin: bool = False) -> Leg:
    return server.one_rtt(Stream(stream, end - 10, 10, fin))


def reset(size: int) -> Leg:
    return server.one_rtt(ResetStream(0, 1, size))


def opens(sender: Side, head: str) -> Leg:
    stream, who = (2, client) if sender is Side.CLIENT else (3, server)
    content = bytes.fromhex(head)
    return who.one_rtt(Stream(stream, 0, len(content), fin=False, data=content))


SELECTED = server.handshake(EncryptedExtensions(alpn="h3"))

STORIES = (
    holds(reset_streams_are_silent, "it is", trace(data(10), reset(10), data(10, stream=4))),
    breaks(
        reset_streams_are_silent,
        "data follows",
        trace(data(20), reset(20), data(20)),
        "it has data of stream 0",
        "right 3",
        "right 2",
        side=Side.SERVER,
    ),
    unexercised(reset_streams_are_silent, "nothing is reset", trace(data(10))),
    doubtful(
        reset_streams_are_silent,
        "data may be hidden",
        trace(reset(0), data(10).secret()),
        "decrypted",
    ),
    holds(
        final_sizes_do_not_change,
        "it is said twice",
        trace(data(20, fin=True), data(10), reset(20)),
    ),
    holds(
        final_sizes_do_not_change,
        "that of another connection's stream",
        trace(data(20, fin=True), server_2.one_rtt(Stream(0, 0, 30, fin=True))),
    ),
    breaks(
        final_sizes_do_not_change,
        "a reset has another",
        trace(data(20, fin=True), reset(10)),
        "it was 20, and is 10 now",
        "right 2",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        final_sizes_do_not_change,
        "data goes beyond it",
        trace(data(20, fin=True), data(30)),
        "data up to 30 on a stream of 20 bytes",
        "right 2",
        "right 1",
        side=Side.SERVER,
    ),
    holds(
        http3_begins_with_a_control_stream,
        "on both sides",
        trace(SELECTED, opens(Side.CLIENT, "00 04 00"), opens(Side.SERVER, "00 04 00")),
    ),
    breaks(
        http3_begins_with_a_control_stream,
        "another frame is first",
        trace(SELECTED, opens(Side.CLIENT, "00 04 00"), opens(Side.SERVER, "00 07 01 00")),
        "the first frame of the server's control stream has type 0x07",
        "right 3",
        side=Side.SERVER,
    ),
    unexercised(
        http3_begins_with_a_control_stream,
        "it is not HTTP/3",
        trace(server.handshake(EncryptedExtensions(alpn="hq-interop")), data(10)),
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
