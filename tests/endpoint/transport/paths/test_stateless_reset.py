from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.paths.stateless_reset import (
    LEAST_BYTES,
    REASON,
    USUAL_BYTES,
    ResetKey,
)
from tests.support.quic_pair import Pair, client_configuration, server_configuration

KEY = ResetKey(bytes(32))


class Server(Connection):
    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.use_reset_key(KEY)


@pytest.fixture
def connected(certs: Path) -> Pair:
    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Server)
    pair.complete_handshake()
    pair.run_for(1.0)
    return pair


def test_a_client_notices_the_reset_of_the_id_that_it_uses(connected: Pair) -> None:
    client = connected.client
    client.change_connection_id()
    for connection_id, is_reset in ((b"another!", False), (client._peer_cid.cid, True)):
        reset = KEY.reset_for(1200, connection_id)
        assert reset is not None
        client.receive_datagram(reset, client.peer_address, now=connected.now)
        assert client.is_ending is is_reset
    assert client.ending is not None
    assert client.ending.reason_phrase == REASON
    assert client.datagrams_to_send(now=connected.now) == [], "it drains"


def test_the_first_id_has_its_token_from_the_handshake(connected: Pair) -> None:
    peer = connected.client._peer_cid
    assert peer.sequence_number == 0
    assert peer.stateless_reset_token == KEY.token(peer.cid)


def test_a_reset_is_smaller_than_what_it_answers() -> None:
    for size in range(1500):
        reset = KEY.reset_for(size, b"anything")
        if reset is None:
            assert size <= LEAST_BYTES
        else:
            assert LEAST_BYTES <= len(reset) <= USUAL_BYTES
            assert len(reset) < size
            assert reset[0] & 0xC0 == 0x40


def test_keys_differ_and_so_do_tokens() -> None:
    assert ResetKey().token(b"id") != ResetKey().token(b"id")
    assert KEY.token(b"id") == ResetKey(bytes(32)).token(b"id") != KEY.token(b"di")
    assert len(KEY.token(b"")) == 16
