"""What implementations of HTTP/3 send of themselves, for hand-built exchanges."""

from __future__ import annotations

import pytest

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import StreamKind
from quicmatrix.runner.trace.model import Side, Stream
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import Sentence
from quicmatrix.testcases.conformance.rfc9114.section_04_1_message_framing import streams_end
from quicmatrix.testcases.conformance.rfc9114.section_07_2_4_2_initialization import (
    settings_come_first,
)
from quicmatrix.testcases.conformance.rfc9204.section_03_2_dynamic_table import table_is_not_used
from quicmatrix.testcases.model import Level, Observation
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    holds,
    record,
    server,
    trace,
    unexercised,
)

SENTENCE = Sentence("a-case", Level.MUST, "RFC 9114, 4.1", "A sentence.")
SETTINGS_FIRST, NO_TABLE, ENDS = (
    shows(check)(SENTENCE)[0] for check in (settings_come_first, table_is_not_used, streams_end)
)


def data(stream_id: int, *parts: bytes, offset: int = 0, fin: bool = False) -> Stream:
    content = b"".join(parts)
    return Stream(stream_id, offset, len(content), fin, content)


def by_client(*legs: Leg) -> Observation:
    """The tester is the server."""
    return Observation(trace(*legs), record(tester=Side.SERVER))


def by_server(*legs: Leg) -> Observation:
    """The tester is the client."""
    return Observation(trace(*legs), record(tester=Side.CLIENT))


CONTROL = http3.stream(StreamKind.CONTROL, http3.settings())
CLIENTS, SERVERS = client.one_rtt(data(2, CONTROL)), server.one_rtt(data(3, CONTROL))
GET = http3.headers(http3.request_fields("/"))
DYNAMIC = http3.frame(http3.H3Frame.HEADERS, qpack.prefix(2) + qpack.indexed(0, static=False))
INSERT = qpack.set_capacity(0)

STORIES = (
    holds(SETTINGS_FIRST, "before the client's", by_server(SERVERS, CLIENTS)),
    holds(SETTINGS_FIRST, "alone", by_client(CLIENTS)),
    holds(
        SETTINGS_FIRST,
        "in two pieces",
        by_client(client.one_rtt(data(2, CONTROL[:1])), client.one_rtt(data(2, CONTROL)), SERVERS),
    ),
    breaks(
        SETTINGS_FIRST,
        "behind the client's",
        by_server(CLIENTS, SERVERS),
        "it sends SETTINGS only when those of its peer have come",
        "right 2",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        SETTINGS_FIRST,
        "never",
        by_client(client.one_rtt(data(2, b"\x02")), SERVERS),
        "it sends no SETTINGS",
        side=Side.CLIENT,
    ),
    holds(
        NO_TABLE,
        "only the static table",
        by_client(client.one_rtt(data(6, b"\x02")), client.one_rtt(data(0, GET, fin=True))),
    ),
    unexercised(NO_TABLE, "no message", by_client(CLIENTS)),
    breaks(
        NO_TABLE,
        "an instruction",
        by_server(server.one_rtt(data(7, http3.stream(StreamKind.QPACK_ENCODER, INSERT)))),
        "it sends an encoder instruction",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        NO_TABLE,
        "a reference",
        by_client(client.one_rtt(data(0, DYNAMIC))),
        "a field section refers to the dynamic table",
        "left 1",
        side=Side.CLIENT,
    ),
    holds(
        ENDS,
        "an empty frame ends it",
        by_client(client.one_rtt(data(0, GET)), client.one_rtt(data(0, offset=9, fin=True))),
    ),
    breaks(
        ENDS,
        "no end",
        by_server(client.one_rtt(data(0, GET, fin=True)), server.one_rtt(data(0, GET))),
        "it does not end stream 0",
        "right 2",
        side=Side.SERVER,
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_stories(story: Story) -> None:
    story.check()
