from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import ConnectionClose, Ping, Side
from quicmatrix.testcases.shared.closing import (
    connection_is_closed_with_code_0,
    describe,
    no_side_closes_with_a_transport_error,
    no_side_closes_with_an_error,
)
from tests.support.story import (
    Story,
    breaks,
    client,
    client_2,
    doubtful,
    holds,
    server,
    trace,
    unfinished,
)

DONE = ConnectionClose(0, None, "", application=True)
NO_ERROR = ConnectionClose(0, 0, "", application=False)
BROKEN = ConnectionClose(0x0A, 0x08, "no such stream", application=False)
INTERNAL = ConnectionClose(0x01, 0, "", application=False)
GIVES_UP = ConnectionClose(0x2A, None, "no time", application=True)
HANDSHAKE_FAILURE = ConnectionClose(0x128, 0x06, "", application=False)
REFUSED = ConnectionClose(0x0C, 0, "", application=False)
H3_NO_ERROR = ConnectionClose(0x100, None, "", application=True)

STORIES = (
    holds(
        no_side_closes_with_a_transport_error,
        "the client closes, the server answers",
        trace(client.one_rtt(DONE), server.one_rtt(NO_ERROR)),
    ),
    holds(
        no_side_closes_with_a_transport_error,
        "an application's close in a Handshake packet",
        trace(client.handshake(REFUSED), client.one_rtt(DONE)),
    ),
    holds(
        no_side_closes_with_a_transport_error,
        "an application's code is its own matter",
        trace(server.one_rtt(H3_NO_ERROR)),
    ),
    breaks(
        no_side_closes_with_a_transport_error,
        "the server gives up, and the client echoes it",
        trace(client.one_rtt(Ping()), server.one_rtt(BROKEN), client.one_rtt(BROKEN)),
        "the server closes with transport error 0x0a (PROTOCOL_VIOLATION): no such stream",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        no_side_closes_with_a_transport_error,
        "the second connection fails, the first one did not",
        trace(server.one_rtt(DONE), client.one_rtt(DONE), client_2.one_rtt(BROKEN)),
        "the client closes with transport error 0x0a (PROTOCOL_VIOLATION): no such stream",
        "left 3",
        side=Side.CLIENT,
    ),
    doubtful(
        no_side_closes_with_a_transport_error,
        "a packet of the server is secret",
        trace(client.one_rtt(DONE), server.one_rtt(BROKEN).secret()),
        "1 of 1 packets of the server could not be decrypted",
    ),
    holds(no_side_closes_with_an_error, "as usual", trace(client.one_rtt(DONE))),
    holds(
        no_side_closes_with_an_error,
        "the client is done when the server gives up",
        trace(client.one_rtt(Ping()), server.one_rtt(BROKEN)),
    ),
    holds(
        no_side_closes_with_an_error,
        "the client leaves without its files",
        unfinished(client.one_rtt(H3_NO_ERROR), server.one_rtt(NO_ERROR)),
    ),
    holds(
        no_side_closes_with_an_error,
        "the client is gone, and the server is stopped during a handshake",
        unfinished(client.initial(), server.initial(), server.initial(REFUSED)),
    ),
    breaks(
        no_side_closes_with_an_error,
        "the server gives up in its first packet",
        unfinished(client.initial(), server.initial(INTERNAL), client.initial(NO_ERROR)),
        "it closes with transport error 0x01 (INTERNAL_ERROR)",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        no_side_closes_with_an_error,
        "both give up, the server first",
        unfinished(
            client.one_rtt(Ping()),
            server.one_rtt(BROKEN).lost().after(1),
            client.one_rtt(GIVES_UP).after(2),
        ),
        "it closes with transport error 0x0a (PROTOCOL_VIOLATION): no such stream",
        "right 2",
        side=Side.SERVER,
        violations=2,
    ),
    breaks(
        no_side_closes_with_an_error,
        "the client's application gives up",
        unfinished(client.one_rtt(Ping()), client.one_rtt(GIVES_UP), server.one_rtt(NO_ERROR)),
        "it closes with application error 0x2a: no time",
        "left 2",
        side=Side.CLIENT,
    ),
    doubtful(
        no_side_closes_with_an_error,
        "a packet of the server is secret",
        unfinished(client.one_rtt(Ping()), server.one_rtt(BROKEN).secret()),
        "could not be decrypted",
    ),
    holds(connection_is_closed_with_code_0, "by the client", trace(client.one_rtt(DONE))),
    holds(connection_is_closed_with_code_0, "by the server", trace(server.one_rtt(NO_ERROR))),
    breaks(
        connection_is_closed_with_code_0,
        "not at all",
        trace(client.one_rtt(Ping()), server.one_rtt(Ping())),
        "no side sends a CONNECTION_CLOSE frame",
        side=None,
    ),
    breaks(
        connection_is_closed_with_code_0,
        "with HTTP/3's code",
        trace(client.one_rtt(H3_NO_ERROR)),
        "the client closes with application error 0x100",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        connection_is_closed_with_code_0,
        "the last packet is secret",
        trace(client.one_rtt(DONE).secret()),
        "could not be decrypted",
    ),
)


def test_a_close_in_words() -> None:
    assert describe(BROKEN) == "transport error 0x0a (PROTOCOL_VIOLATION): no such stream"
    assert describe(HANDSHAKE_FAILURE) == "transport error 0x128 (CRYPTO_ERROR, TLS alert 40)"
    assert describe(DONE) == "application error 0x00"


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
