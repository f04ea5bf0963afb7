from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import ClientHello, ServerHello, Side
from quicmatrix.testcases.interop.chacha20 import (
    client_offers_only_chacha20,
    server_selects_chacha20,
)
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

STORIES = (
    holds(
        client_offers_only_chacha20,
        "each time",
        trace(client.initial(ClientHello((0x1303,))), client.initial(ClientHello((0x1303,)))),
    ),
    holds(
        client_offers_only_chacha20,
        "beside values that are no cipher suites",
        trace(client.initial(ClientHello((0x1A1A, 0x1303, 0x00FF, 0x5600, 0xFAFA)))),
    ),
    breaks(
        client_offers_only_chacha20,
        "it prefers it",
        trace(client.initial(ClientHello((0x1303, 0x1301)))),
        "the client offers 0x1303, 0x1301",
        "left 1",
        side=Side.CLIENT,
    ),
    holds(
        client_offers_only_chacha20,
        "beside suites of TLS 1.2, as GnuTLS does",
        trace(client.initial(ClientHello((0x1303, 0xCCA9, 0xCCA8, 0xCCAA, 0xC02B)))),
    ),
    breaks(
        client_offers_only_chacha20,
        "beside a suite of TLS 1.3 with another code",
        trace(client.initial(ClientHello((0x1303, 0x00C6)))),
        "the client offers 0x1303, 0x00c6",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_only_chacha20,
        "it offers suites of TLS 1.2 alone",
        trace(client.initial(ClientHello((0xCCA8, 0xCCA9)))),
        "the client offers no cipher suite of TLS 1.3",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_only_chacha20,
        "it offers nothing",
        trace(client.initial(ClientHello(()))),
        "the client offers no cipher suite of TLS 1.3",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_only_chacha20,
        "there is no ClientHello",
        trace(client.initial()),
        "there is no ClientHello",
        side=Side.CLIENT,
    ),
    holds(
        client_offers_only_chacha20,
        "in the ClientHello that was seen, beside a secret packet",
        trace(client.initial(ClientHello((0x1303,))), client.initial().secret()),
    ),
    doubtful(
        client_offers_only_chacha20,
        "the ClientHello cannot be read",
        trace(client.initial(), client.initial(ClientHello((0x1303,))).secret()),
        "could not be decrypted",
    ),
    holds(server_selects_chacha20, "it does", trace(server.initial(ServerHello(0x1303)))),
    breaks(
        server_selects_chacha20,
        "it selects AES",
        trace(client.initial(), server.initial(ServerHello(0x1301))),
        "the server selects 0x1301",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_selects_chacha20,
        "there is no ServerHello",
        trace(client.initial(), server.initial()),
        "there is no ServerHello",
        side=Side.SERVER,
    ),
    doubtful(
        server_selects_chacha20,
        "the Initial cannot be read",
        trace(server.initial(ServerHello(0x1303)).secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
