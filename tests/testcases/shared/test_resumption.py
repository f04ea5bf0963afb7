from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import ClientHello, NewSessionTicket, ServerHello, Side
from quicmatrix.testcases.shared.resumption import (
    client_offers_the_session,
    server_enables_early_data,
    server_selects_the_session,
    server_sends_a_session_ticket,
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
)

FIRST = (client.initial(ClientHello(())), server.initial(ServerHello(0x1301)))


def offer(*, psk: bool) -> Leg:
    return client_2.initial(ClientHello((), offers_psk=psk))


def answer(*, psk: bool) -> Leg:
    return server_2.initial(ServerHello(0x1301, selects_psk=psk))


def ticket(early_data: int | None = None) -> Leg:
    return server.one_rtt(NewSessionTicket(early_data))


TICKETS = (server_sends_a_session_ticket, server_enables_early_data)
RESUMED = client_2.initial(ClientHello((), offers_psk=True, offers_early_data=True))

STORIES = (
    *(holds(one, "as usual", trace(*FIRST, ticket(0xFFFFFFFF), RESUMED)) for one in TICKETS),
    *(
        holds(one, "the ticket is secret, but used", trace(*FIRST, ticket().secret(), RESUMED))
        for one in TICKETS
    ),
    *(
        doubtful(one, "the ticket is secret", trace(*FIRST, ticket().secret()), "decrypted")
        for one in TICKETS
    ),
    holds(server_sends_a_session_ticket, "without early data", trace(*FIRST, ticket())),
    breaks(
        server_sends_a_session_ticket,
        "it sends none",
        trace(*FIRST, server.one_rtt(), offer(psk=False)),
        "it sends no NewSessionTicket",
        "right 3",
        side=Side.SERVER,
    ),
    *(
        breaks(
            server_enables_early_data,
            title,
            trace(*FIRST, ticket(early_data), offer(psk=True)),
            "it sends no NewSessionTicket with the early_data extension",
            "right 3",
            side=Side.SERVER,
        )
        for title, early_data in (("it does not", None), ("it permits 0 bytes", 0))
    ),
    holds(
        client_offers_the_session,
        "on the second connection",
        trace(*FIRST, offer(psk=True), answer(psk=False)),
    ),
    breaks(
        client_offers_the_session,
        "it forgot the session",
        trace(*FIRST, offer(psk=False), answer(psk=False)),
        "it has no pre_shared_key extension",
        "right 3",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_the_session,
        "the first connection's does not count",
        trace(
            client.initial(ClientHello((), offers_psk=True)),
            server.initial(),
            offer(psk=False),
            answer(psk=False),
        ),
        "it has no pre_shared_key extension",
        "right 3",
        side=Side.CLIENT,
    ),
    doubtful(
        client_offers_the_session,
        "the ClientHello cannot be read",
        trace(*FIRST, offer(psk=True).secret(), answer(psk=False)),
        "packets of the client could not be decrypted",
    ),
    doubtful(
        client_offers_the_session,
        "the second connection is not known",
        trace(*FIRST, offer(psk=True), answer(psk=False).but(connection=None)),
        "the connection of Initial",
    ),
    doubtful(
        client_offers_the_session,
        "the second handshake may be hidden",
        trace(*FIRST, right_damage="cut off"),
        "cut off",
    ),
    holds(
        server_selects_the_session,
        "on the second connection",
        trace(*FIRST, offer(psk=True), answer(psk=True)),
    ),
    breaks(
        server_selects_the_session,
        "it does a full handshake",
        trace(*FIRST, offer(psk=True), answer(psk=False)),
        "it has no pre_shared_key extension",
        "right 4",
        side=Side.SERVER,
    ),
    doubtful(
        server_selects_the_session,
        "the ServerHello cannot be read",
        trace(*FIRST, offer(psk=True), answer(psk=True).secret()),
        "packets of the server could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
