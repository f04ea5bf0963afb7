from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import CERTIFICATE, ClientHello, OtherTlsMessage, Side
from quicmatrix.testcases.interop.resumption import (
    COMPRESSED_CERTIFICATE,
    first_handshake_has_a_certificate,
    second_handshake_has_no_certificate,
)
from tests.support.story import (
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

FIRST = (client.initial(), server.initial(), server.handshake(OtherTlsMessage(CERTIFICATE)))
SECOND = (client_2.initial(), server_2.initial(), server_2.handshake(OtherTlsMessage(20)))

STORIES = (
    holds(first_handshake_has_a_certificate, "as usual", trace(*FIRST, *SECOND)),
    holds(
        first_handshake_has_a_certificate,
        "a compressed one, beside a secret packet",
        trace(
            client.initial(),
            server.initial(),
            server.handshake(OtherTlsMessage(COMPRESSED_CERTIFICATE)),
            server.handshake().secret(),
        ),
    ),
    breaks(
        first_handshake_has_a_certificate,
        "the second one's does not count",
        trace(
            *FIRST[:2],
            server.handshake(OtherTlsMessage(20)),
            *SECOND,
            server_2.handshake(OtherTlsMessage(CERTIFICATE)),
        ),
        "the first handshake has no Certificate",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        first_handshake_has_a_certificate,
        "there are no keys",
        trace(*FIRST[:2], FIRST[2].secret(), *SECOND),
        "could not be decrypted",
    ),
    doubtful(
        first_handshake_has_a_certificate,
        "the capture is cut off before it",
        trace(client.initial(), right_damage="cut off"),
        "cut off",
    ),
    unexercised(
        first_handshake_has_a_certificate,
        "without a handshake there is nothing to ask",
        trace(client.initial()),
    ),
    holds(second_handshake_has_no_certificate, "as usual", trace(*FIRST, *SECOND)),
    holds(
        second_handshake_has_no_certificate,
        "the first one's keys are not needed",
        trace(*FIRST[:2], FIRST[2].secret(), *SECOND),
    ),
    unexercised(second_handshake_has_no_certificate, "there is only one", trace(*FIRST)),
    breaks(
        second_handshake_has_no_certificate,
        "it is a full one",
        trace(*FIRST, *SECOND, server_2.handshake(OtherTlsMessage(CERTIFICATE))),
        "the second handshake has a Certificate",
        "right 7",
        side=Side.SERVER,
    ),
    breaks(
        second_handshake_has_no_certificate,
        "it is a full one, of a server with empty connection IDs",
        trace(
            client.initial(),
            server.initial(scid=b""),
            client_2.initial(),
            server_2.initial(scid=b""),
            server_2.handshake(OtherTlsMessage(CERTIFICATE), scid=b""),
        ),
        "the second handshake has a Certificate",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        second_handshake_has_no_certificate,
        "it is a full one, as the client wants it",
        trace(
            *FIRST,
            client_2.initial(ClientHello(())),
            *SECOND[1:],
            server_2.handshake(OtherTlsMessage(CERTIFICATE)),
        ),
        "the second handshake has a Certificate, for it offers no pre-shared key",
        "right 4",
        "right 7",
        side=Side.CLIENT,
    ),
    doubtful(
        second_handshake_has_no_certificate,
        "there are no keys",
        trace(*FIRST, *SECOND, server_2.handshake().secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
