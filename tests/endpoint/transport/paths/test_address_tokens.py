from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.paths.address_tokens import LIFETIME_S, MARK, AddressTokens
from tests.support.injection import frame, inject
from tests.support.quic_pair import START, Pair, client_configuration, server_configuration

V2 = 0x6B3343CF
TOKENS = AddressTokens()


@pytest.mark.parametrize(
    ("host", "age", "holds"),
    [
        ("192.0.2.1", 0.0, True),
        ("::ffff:192.0.2.1", LIFETIME_S, True),
        ("192.0.2.1", LIFETIME_S + 1, False),
        ("192.0.2.1", -1.0, False),
        ("192.0.2.2", 0.0, False),
        ("2001:db8::1", 0.0, False),
    ],
)
def test_a_token_is_for_one_address_and_a_day(host: str, age: float, holds: bool) -> None:
    token = TOKENS.make("192.0.2.1", START, 1)
    assert TOKENS.holds(token, host, START + age, 1) is holds
    assert not AddressTokens().holds(token, host, START + age, 1), "another server's"


def test_a_token_is_for_one_version() -> None:
    """RFC 9369, 5."""
    token = TOKENS.make("192.0.2.1", START, V2)
    assert TOKENS.holds(token, "192.0.2.1", START, V2)
    assert not TOKENS.holds(token, "192.0.2.1", START, 1)


def test_no_two_tokens_are_alike() -> None:
    assert TOKENS.make("192.0.2.1", START, 1) != TOKENS.make("192.0.2.1", START, 1)


@given(st.binary(max_size=100))
def test_no_garbage_holds(token: bytes) -> None:
    assert not TOKENS.holds(token, "192.0.2.1", START, 1)
    assert not TOKENS.holds(MARK + token, "192.0.2.1", START, 1)


def test_a_token_arrives_though_its_packet_is_lost(certs: Path) -> None:
    class Giving(Connection):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**arguments)  # type: ignore[arg-type]
            self.give_token(lambda version: b"a token of version %d" % version)

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Giving)
    received: list[bytes] = []
    pair.client._token_handler = received.append
    pair.to_client.drops = lambda _, datagram: not datagram[0] & 0x80 and pair.now < START + 0.2
    pair.connect()
    pair.run_until(lambda: bool(received))
    pair.run_for(2.0)
    assert received == [b"a token of version 1"]


def test_a_token_that_comes_again_is_not_used_again(pair: Pair) -> None:
    """RFC 9000, 19.7: a packet that was only thought to be lost brings it twice."""
    received: list[bytes] = []
    pair.client._token_handler = received.append
    tokens = [frame(7, 5, b"token"), frame(7, 5, b"token"), frame(7, 5, b"other")]
    assert inject(pair, *tokens, to_server=False) is None
    assert received == [b"token", b"other"]
