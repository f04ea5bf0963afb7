from __future__ import annotations

import datetime as dt

from aioquic.tls import CipherSuite, SessionTicket

from quicmatrix.endpoint.tickets import MOST_TICKETS, TicketStore


def ticket(identity: bytes) -> SessionTicket:
    now = dt.datetime.now(dt.UTC)
    return SessionTicket(
        age_add=0,
        cipher_suite=CipherSuite.AES_128_GCM_SHA256,
        not_valid_after=now + dt.timedelta(days=1),
        not_valid_before=now,
        resumption_secret=b"",
        server_name="",
        ticket=identity,
    )


def test_a_ticket_is_good_once() -> None:
    store = TicketStore()
    store.add(ticket(b"a"))
    taken = store.take(b"a")
    assert taken is not None
    assert taken.ticket == b"a"
    assert store.take(b"a") is None
    assert store.take(b"b") is None


def test_the_oldest_goes_first() -> None:
    store = TicketStore()
    for number in range(MOST_TICKETS + 1):
        store.add(ticket(number.to_bytes(4, "big")))
    assert store.take((0).to_bytes(4, "big")) is None
    assert store.take((1).to_bytes(4, "big")) is not None
