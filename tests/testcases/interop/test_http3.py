from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import ClientHello, EncryptedExtensions, Side
from quicmatrix.testcases.interop.http3 import client_offers_h3, server_selects_h3
from tests.support.story import Story, breaks, client, doubtful, holds, server, trace

STORIES = (
    holds(
        client_offers_h3,
        "among others",
        trace(client.initial(ClientHello((), alpn=("h3-29", "h3")))),
    ),
    breaks(
        client_offers_h3,
        "it offers others",
        trace(client.initial(ClientHello((), alpn=("h3-29", "hq-interop")))),
        "the client offers h3-29, hq-interop",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_h3,
        "it offers none",
        trace(client.initial(ClientHello(()))),
        "the client offers nothing",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_h3,
        "there is no ClientHello",
        trace(client.initial()),
        "there is no ClientHello",
        side=Side.CLIENT,
    ),
    doubtful(
        client_offers_h3,
        "it cannot be read",
        trace(client.initial(ClientHello((), alpn=("h3",))).secret()),
        "could not be decrypted",
    ),
    holds(server_selects_h3, "it does", trace(server.handshake(EncryptedExtensions(alpn="h3")))),
    breaks(
        server_selects_h3,
        "it selects another one",
        trace(client.initial(), server.handshake(EncryptedExtensions(alpn="hq-interop"))),
        "the server selects hq-interop",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        server_selects_h3,
        "it selects none",
        trace(server.handshake(EncryptedExtensions())),
        "the server selects nothing",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        server_selects_h3,
        "the handshake ends before",
        trace(client.initial(), server.initial()),
        "there is no EncryptedExtensions message",
        side=Side.SERVER,
    ),
    doubtful(
        server_selects_h3,
        "there are no keys",
        trace(server.handshake(EncryptedExtensions(alpn="h3")).secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
